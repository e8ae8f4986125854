# What the module, or the Clan service, makes of a configuration, with nothing but
# nixpkgs' lib: NixOS and its packages are stand-ins. For the tests, which print it
# as JSON; see ../test/nix_test.go.
{
  lib ? import <nixpkgs/lib>,
  # A module for NixOS, or the arguments of roles.default.perInstance.
  module ? null,
  instance ? null,
}:
let
  inherit (lib) mkOption types;

  pkgs = {
    formats.toml = _: {
      type = types.attrsOf types.anything;
      generate = name: value: { inherit name value; };
    };
    callPackage = _: _: {
      type = "derivation";
      name = "dmfs";
      outPath = "/dmfs";
      meta.mainProgram = "dmfs";
    };
    coreutils = "/coreutils";
  };

  anything = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  nixos = {
    options = {
      assertions = mkOption { type = types.listOf types.raw; };
      warnings = mkOption { type = types.listOf types.str; };
      boot = anything;
      clan.core = {
        settings = anything;
        vars.generators = mkOption {
          default = { };
          type = types.attrsOf (
            types.submodule (
              { name, ... }:
              {
                freeformType = types.attrsOf types.anything;
                options.files = mkOption {
                  type = types.attrsOf (
                    types.submodule (file: {
                      freeformType = types.attrsOf types.anything;
                      options.path = mkOption {
                        default = "/vars/${name}/${file.config._module.args.name}";
                      };
                    })
                  );
                };
              }
            )
          );
        };
      };
      environment = anything;
      networking = anything;
      system = anything;
      systemd = anything;
      users = anything;
    };
    config = {
      _module.args = { inherit pkgs; };
      boot.kernelPackages.kernel.version = lib.mkDefault "6.12";
      networking.enableIPv6 = lib.mkDefault true;
      clan.core.settings = {
        domain = "clan";
        directory = ./.;
      };
    };
  };

  clanLib.getPublicValue = { machine, ... }: "peer-of-${machine}\n";
  service = import ./clan.nix { inherit clanLib lib; };
  settings =
    (lib.evalModules {
      modules = [
        service.roles.default.interface
        instance.settings
      ];
    }).config;
  tested =
    if instance == null then
      module
    else
      (service.roles.default.perInstance (
        instance
        // {
          inherit settings;
          roles = lib.recursiveUpdate instance.roles {
            default.machines = lib.mapAttrs (_: _: { inherit settings; }) instance.roles.default.machines;
          };
        }
      )).nixosModule;

  evaluated = lib.evalModules {
    modules = [
      nixos
      ./module.nix
      tested
    ];
  };
  inherit (evaluated) config;
in
{
  refused = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  inherit (config) warnings;
  settings = config.environment.etc."dmfs/dmfs.toml".source.value;
  service = removeAttrs config.systemd.services.dmfs [ "reloadTriggers" ];
  mount = config.systemd.units."dmfs-mount.service".text;
  firewall = config.networking.firewall or { };
  groups = config.users.groups or { };
  generators = lib.mapAttrs (_: g: {
    inherit (g) files script;
    dependencies = g.dependencies or [ ];
  }) config.clan.core.vars.generators;
  options = lib.filter (o: lib.hasPrefix "services.dmfs" o.name && !o.internal) (
    lib.optionAttrSetToDocList evaluated.options.services.dmfs
  );
}
