# One signed line deploys the fleet: deploy/target refers to a commit, each machine
# checks it out and runs its rebuild command, once, and everybody sees what came of it.
#
#   $ echo "git+https://example.org/infra.git?rev=$(git rev-parse HEAD)" > target
#   $ dmfs file update target --name deploy/target --key my.key
#   $ dmfs-deploy-report
#   MACHINE          STATE    GENERATION  SIGNED               REFERENCE
#   db               failed   41          2026-11-23 12:01:07  git+https://... error: ...
#   web              done     43          2026-11-23 12:00:31  git+https://...
#
# rev= is the whole commit, so the signature is one of the content, wherever that
# comes from. The first line counts as the reference; another text below it, such as
# "# again", makes the same one new. A machine that was away goes to the newest. A
# rebuild that fails is reported, with its last line, and superseded by the next
# target. One that ends with the machine is reported as failed, and not run again;
# a checkout that fails is tried again.
#
# Elsewhere than on NixOS: the scripts into /usr/lib/dmfs, the units into
# /etc/systemd/system, the command as /etc/dmfs/rebuild, "deployed" into the
# namespaces of dmfs.toml, and
#
#   systemctl enable --now dmfs-deploy.path dmfs-deploy.service
{
  config,
  lib,
  pkgs,
  ...
}@args:
let
  cfg = config.services.dmfs.recipes.pull-deploy;
  install = import ../install.nix args {
    dir = ./.;
    scripts.dmfs-deploy = [
      pkgs.diffutils
      pkgs.git
      pkgs.openssh
      pkgs.util-linux
    ];
    scripts.dmfs-deploy-report = [ ];
    paths."/etc/dmfs/rebuild" = toString cfg.command;
  };
in
{
  options.services.dmfs.recipes.pull-deploy = {
    enable = lib.mkEnableOption "deployments by the file deploy/target";
    keys = lib.mkOption {
      type = lib.types.nonEmptyListOf lib.types.str;
      example = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
      description = "Who may sign the file, and with it become root on this machine.";
    };
    command = lib.mkOption {
      type = lib.types.path;
      default = pkgs.writeShellScript "rebuild" ''
        export PATH=/run/current-system/sw/bin
        exec nixos-rebuild switch --flake .
      '';
      defaultText = lib.literalExpression "a script that runs `nixos-rebuild switch --flake .`";
      description = "What to run in the checkout, as root, with the reference as its argument.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.dmfs.settings.files."deploy/target" = cfg.keys;
    services.dmfs.settings.network.namespaces = [ "deployed" ];
    environment.systemPackages = [ install.packages.dmfs-deploy-report ];
    systemd = { inherit (install) units; };
  };
}
