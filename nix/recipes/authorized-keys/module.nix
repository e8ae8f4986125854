# A user's keys, with a lifetime: the file ssh/ann says who may log in as ann, on
# every machine, until it ends.
#
#   $ dmfs file update keys --name ssh/ann --ttl 12h --key my.key
#   $ dmfs file delete ssh/ann --key my.key          # sooner
#
# The end is signed, so it needs no network: a machine that was off when the access
# was revoked, and comes back alone, ends it by its own clock. Until then the last
# keys serve, at boot too, before there is a network; so keep lifetimes short, and
# sign anew from a timer. Whoever is logged in stays so.
#
# Elsewhere than on NixOS: dmfs-keys.conf into /etc/ssh/sshd_config.d.
{ config, lib, ... }:
let
  cfg = config.services.dmfs.recipes.authorized-keys;
  inherit (config.services.dmfs) mountPoint settings;
in
{
  options.services.dmfs.recipes.authorized-keys = {
    enable = lib.mkEnableOption "logins with keys from the files ssh/USER";
    users = lib.mkOption {
      type = lib.types.attrsOf (lib.types.nonEmptyListOf lib.types.str);
      example.ann = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
      description = "For each user, who may sign the user's keys.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        # 0755 and 0444 say so, 0775 and 0664 do not.
        assertion =
          lib.all (mode: mode == null || builtins.match "0?[0-7][0145][0145]" mode != null)
            [
              settings.mount.dir_mode
              settings.mount.file_mode
            ];
        message = ''
          services.dmfs.recipes.authorized-keys: sshd's StrictModes takes no keys that
          others than root may write. On machines to log in to keep dir_mode "0755" and
          file_mode "0444" in services.dmfs.settings.mount.
        '';
      }
    ];
    services.dmfs.settings.files = lib.mapAttrs' (
      user: keys: lib.nameValuePair "ssh/${user}" keys
    ) cfg.users;
    services.openssh = {
      enable = true;
      authorizedKeysFiles = [ "${mountPoint}/ssh/%u" ];
      settings.StrictModes = true;
    };
  };
}
