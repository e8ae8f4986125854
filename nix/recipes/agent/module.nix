# A key for somebody who is not trusted with more, such as a program that talks to
# strangers: it signs the file wallpaper, a picture of up to 10 MiB, and nothing
# else anywhere. A user service shows the picture on every machine.
#
#   $ dmfs file update picture.png --name wallpaper --key agent.key --mount /run/data-mesher
#
# is the agent's whole interface. Exit code 0 is done; 3 is refused, and standard
# error says why; 1 is for what never reaches the node, such as a larger picture.
# Machines with `agent` set let this user propose files; the signature decides. For
# every other name the agent gets 3, whatever it does, and nothing changes.
#
# The picture is shown by ~/.config/dmfs/set-wallpaper FILE, a script of the user's:
#
#   #!/bin/sh
#   exec swaymsg "output * bg '$1' fill"
#
# Elsewhere than on NixOS: dmfs-wallpaper.sh into /usr/lib/dmfs, the units into
# /etc/systemd/user, and
#
#   systemctl --global enable dmfs-wallpaper.path dmfs-wallpaper.timer
#
# and where the agent is, in the table [mount] of dmfs.toml: a group of the agent's as
# gid, dir_mode = "0775" and file_mode = "0664".
{
  config,
  lib,
  pkgs,
  ...
}@args:
let
  cfg = config.services.dmfs.recipes.agent;
  install = import ../install.nix args {
    dir = ./.;
    scripts.dmfs-wallpaper = [
      pkgs.diffutils
      pkgs.util-linux
    ];
  };
in
{
  options.services.dmfs.recipes.agent = {
    enable = lib.mkEnableOption "a wallpaper that somebody else chooses";
    key = lib.mkOption {
      type = lib.types.str;
      example = "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=";
      description = "The agent's public key.";
    };
    agent = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The user on this machine who is the agent, if it is here.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.dmfs.settings.files.wallpaper = [ cfg.key ];
    services.dmfs.settings.mount = lib.mkIf (cfg.agent != null) {
      dir_mode = "0775"; # for the first version
      file_mode = "0664"; # and for later ones
    };
    users.users = lib.mkIf (cfg.agent != null) {
      ${cfg.agent}.extraGroups = [ config.services.dmfs.group ];
    };
    systemd.user = { inherit (install) units; };
  };
}
