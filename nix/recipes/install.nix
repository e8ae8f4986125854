# Puts a recipe's files on NixOS: its units as they stand, with other paths, and its
# scripts with the programs that they call.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  dir,
  # By the name of a script, the packages that it needs beyond the usual ones.
  scripts,
  # Further paths in the units.
  paths ? { },
}:
let
  cfg = config.services.dmfs;
  inherit (cfg.settings) state_dir;
  identity = cfg.settings.cluster.identity_key;

  script =
    name: packages:
    pkgs.writeShellApplication {
      inherit name;
      runtimeInputs = [
        cfg.package
        pkgs.coreutils
        pkgs.gnugrep
        pkgs.gnused
      ]
      ++ packages;
      # The script says for itself what ends it.
      bashOptions = [ ];
      text = lib.removePrefix "#!/bin/sh\n" (builtins.readFile (dir + "/${name}.sh"));
    };

  packages = lib.mapAttrs script scripts;
  programs = lib.mapAttrs' (
    name: package: lib.nameValuePair "/usr/lib/dmfs/${name}.sh" (lib.getExe package)
  ) packages;
  replaced =
    # What the caller says comes first: it may be longer.
    lib.attrsToList paths
    ++ lib.attrsToList (
      programs
      // {
        "/bin/systemctl" = "${config.systemd.package}/bin/systemctl";
        "/run/data-mesher" = cfg.mountPoint;
        "/var/lib/dmfs/identity.key" = if identity == null then "${state_dir}/identity.key" else identity;
      }
    );

  unit =
    file:
    let
      text = lib.replaceStrings (map (r: r.name) replaced) (map (r: r.value) replaced) (
        builtins.readFile (dir + "/${file}")
      );
      wanted = builtins.match ".*\nWantedBy=([^\n]*).*" text;
    in
    {
      inherit text;
      wantedBy = lib.optionals (wanted != null) (lib.splitString " " (lib.head wanted));
    };

  unitsIn =
    kinds:
    lib.filter (file: lib.any (kind: lib.hasSuffix ".${kind}" file) kinds) (
      lib.attrNames (builtins.readDir dir)
    );
in
{
  inherit packages;
  units = lib.genAttrs (unitsIn [
    "path"
    "service"
    "timer"
  ]) unit;
}
