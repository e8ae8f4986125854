# A zone file that travels: dns/cnames, lines of unbound's local-zone: and
# local-data:, appears in every machine's resolver as soon as it arrives.
#
#   $ dmfs file update cnames --name dns/cnames --key my.key
#
# dmfs-dns.path sees a new version, wherever it was signed; dmfs-dns.sh looks at it
# before unbound does. A file that says anything else, or that unbound would not
# start with, is refused: `systemctl status dmfs-dns` says why, and the last good
# records stay. They are kept on disk, so the resolver needs no mount to start. Only
# a signed deletion takes them away.
#
# Elsewhere than on NixOS: dmfs-dns.sh into /usr/lib/dmfs, the units into
# /etc/systemd/system, dmfs-dns.conf into /etc/unbound/unbound.conf.d, and
#
#   systemctl enable --now dmfs-dns.path dmfs-dns.service
{
  config,
  lib,
  pkgs,
  ...
}@args:
let
  cfg = config.services.dmfs.recipes.dns;
  install = import ../install.nix args {
    dir = ./.;
    scripts.dmfs-dns = [
      config.services.unbound.package
      pkgs.diffutils
      pkgs.util-linux
    ];
  };
in
{
  options.services.dmfs.recipes.dns = {
    enable = lib.mkEnableOption "unbound's answers from the file dns/cnames";
    keys = lib.mkOption {
      type = lib.types.nonEmptyListOf lib.types.str;
      example = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
      description = "Who may sign the file. They decide every name that the resolver is asked for.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.dmfs.settings.files."dns/cnames" = cfg.keys;
    services.unbound.enable = true;
    services.unbound.settings.server.include = ''"/var/lib/unbound/dmfs-cname[s]"'';
    systemd = { inherit (install) units; };
  };
}
