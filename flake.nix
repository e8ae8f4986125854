{
  description = "A file system over a replicated set of small signed files";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      # The commands for keys and signatures; there is no mount on darwin.
      darwin = [ "aarch64-darwin" ];
      each = f: lib.genAttrs (linux ++ darwin) (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        dmfs = pkgs.callPackage ./nix/package.nix { };
        default = dmfs;
      });

      nixosModules = rec {
        dmfs = ./nix/module.nix;
        recipes = ./nix/recipes;
        default = dmfs;
      };

      # For a Clan: inventory.instances.dmfs.module = { name = "dmfs"; input = "dmfs"; };
      clan.modules.dmfs = ./nix/clan.nix;

      checks = each (
        pkgs:
        {
          inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) dmfs;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          vm = pkgs.testers.runNixOSTest ./nix/vm-test.nix;
        }
      );

      devShells = each (pkgs: {
        default = pkgs.callPackage ./nix/devshell.nix { };
      });

      formatter = each (pkgs: pkgs.nixfmt-tree);
    };
}
