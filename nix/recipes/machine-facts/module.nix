# Every machine says what it runs, and everybody can read it: facts/KEY, signed by
# the node's own identity, also as facts/by-name/MACHINE.
#
#   $ cat /run/data-mesher/facts/by-name/web
#   generation=42
#   kernel=6.12.30
#   ...
#   $ grep -H ^kernel= /run/data-mesher/facts/by-name/*
#
# A timer renews them every ten minutes. They last for thirty, so a machine that is
# gone is gone from the list. Where `textfile` is set, dmfs-facts-textfile.path has
# node_exporter serve the facts of all machines, as dmfs_machine_*. Machines may lie
# about themselves, not about others.
#
# Elsewhere than on NixOS: the scripts into /usr/lib/dmfs, the units into
# /etc/systemd/system, "facts" into the namespaces of dmfs.toml, and
#
#   systemctl enable --now dmfs-facts.timer dmfs-facts.service
#   systemctl enable --now dmfs-facts-textfile.path dmfs-facts-textfile.service
{
  config,
  lib,
  pkgs,
  ...
}@args:
let
  cfg = config.services.dmfs.recipes.machine-facts;
  install = import ../install.nix args {
    dir = ./.;
    scripts.dmfs-facts = [ ];
    scripts.dmfs-facts-textfile = [ pkgs.util-linux ];
    paths."/var/lib/prometheus/node-exporter" = toString cfg.textfile;
  };
in
{
  options.services.dmfs.recipes.machine-facts = {
    enable = lib.mkEnableOption "publishing what this machine runs";
    textfile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = "/var/lib/prometheus/node-exporter";
      description = "The directory of node_exporter's textfile collector that gets the facts of all machines.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.dmfs.settings.network.namespaces = [ "facts" ];
    systemd.units = lib.filterAttrs (
      unit: _: cfg.textfile != null || !lib.hasPrefix "dmfs-facts-textfile" unit
    ) install.units;
    systemd.tmpfiles.rules = lib.optional (cfg.textfile != null) "d ${cfg.textfile} 0755";
  };
}
