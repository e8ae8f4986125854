# A dmfs node on NixOS: services.dmfs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    types
    ;

  cfg = config.services.dmfs;
  inherit (cfg) settings;
  format = pkgs.formats.toml { };

  # TOML has no null, and for dmfs an empty table is a mistake.
  given =
    value:
    if !lib.isAttrs value then
      value
    else
      lib.filterAttrs (_: v: v != null && v != { } && v != [ ]) (lib.mapAttrs (_: given) value);
  configFile = format.generate "dmfs.toml" (given settings);

  isMember = settings.network.id != null;

  hosts =
    if isMember then
      [ "/ip4/0.0.0.0" ] ++ lib.optional config.networking.enableIPv6 "/ip6/::"
    else
      [ "/ip4/127.0.0.1" ];

  # The ports of settings.cluster.listen, by protocol.
  ports =
    protocol:
    lib.unique (
      lib.concatMap (
        address:
        let
          port = builtins.match ".*/${protocol}/([0-9]+)(/.*)?" address;
        in
        lib.optional (port != null && lib.toInt (lib.head port) != 0) (lib.toInt (lib.head port))
      ) settings.cluster.listen
    );
  opened = {
    allowedTCPPorts = ports "tcp";
    allowedUDPPorts = ports "udp";
  };

  isName =
    name:
    lib.stringLength name <= 1024
    && lib.all (
      part:
      builtins.match "[^[:cntrl:]]{1,255}" part != null
      && part != "."
      && part != ".."
      && !lib.hasPrefix ".dmfs" part
      && !lib.hasSuffix ".sig" part
    ) (lib.splitString "/" name);
  unknownKeys = lib.subtractLists (lib.attrNames cfg.keys) (
    lib.unique (lib.concatLists (lib.attrValues cfg.policy))
  );
  badNames = lib.filter (name: !isName name) (lib.attrNames settings.files);

  readUnit = import ./unit.nix { inherit lib; };
  unit = readUnit ./systemd/dmfs.service {
    "/usr/bin/dmfs" = lib.getExe cfg.package;
    "/bin/kill" = "${pkgs.coreutils}/bin/kill";
    "/run/data-mesher" = cfg.mountPoint;
  };
in
{
  options.services.dmfs = {
    enable = mkEnableOption "dmfs, a file system over a replicated set of small signed files";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The dmfs package to use.";
    };

    mountPoint = mkOption {
      type = types.str;
      default = "/run/data-mesher";
      description = "Where the files appear.";
    };

    port = mkOption {
      type = types.port;
      default = 7946;
      description = ''
        TCP and UDP port for other nodes, unless
        {option}`services.dmfs.settings.cluster.listen` is set.
      '';
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether to open the ports of {option}`services.dmfs.settings.cluster.listen` in
        the firewall.
      '';
    };

    firewallInterfaces = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "tailscale0" ];
      description = "Open the ports on these interfaces only; on all when the list is empty.";
    };

    user = mkOption {
      type = types.str;
      default = "root";
      description = ''
        Who owns the files in the mount, and so may propose new ones. The node
        itself always runs as root with few capabilities, as it mounts.
      '';
    };

    group = mkOption {
      type = types.str;
      default = "dmfs";
      description = ''
        The group of the files in the mount. Its members may propose new files when
        {option}`services.dmfs.settings.mount.dir_mode` is `"0775"`; for later versions
        of what is there {option}`services.dmfs.settings.mount.file_mode` has to be
        `"0664"` as well.
      '';
    };

    keys = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = literalExpression ''
        {
          ann = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIftYJmSHx5thUUpXXWajiBujD5k7jL+ENlZpKCDf7Ln";
          bot = lib.readFile ./bot.pub;
        }
      '';
      description = ''
        Public keys by the names that {option}`services.dmfs.policy` has for them, in any
        form that dmfs reads.
      '';
    };

    policy = mkOption {
      type = types.attrsOf (types.nonEmptyListOf types.str);
      default = { };
      example = {
        "config.json" = [ "ann" ];
        wallpaper = [
          "ann"
          "bot"
        ];
      };
      description = ''
        Which files may exist, and for each the names of the
        {option}`services.dmfs.keys` that may sign it. It is added to
        {option}`services.dmfs.settings.files`, which has keys in place of their names.
      '';
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = format.type;
        imports = [ ./settings.nix ];
      };
      default = { };
      example = literalExpression ''
        {
          network.id = "vd9RrxrEJY7S2SCCvj8R8qimCF05+EEl0jRU8qEM6NY=";
          network.namespaces = [ "telemetry" ];
          files."config.json" = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
          policy.signers = [ ./law.pub ];
        }
      '';
      description = ''
        The configuration, {file}`/etc/dmfs/dmfs.toml`. A change is taken without a
        restart where dmfs can.
      '';
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion =
          settings.files != { } || settings.network.namespaces != [ ] || settings.policy.signers != [ ];
        message = ''
          services.dmfs: no file could ever exist. Say who may sign what:
            services.dmfs.keys.ann = "KEY";
          services.dmfs.policy."config.json" = [ "ann" ];
          The key is what `dmfs generate signing-key` prints. Or set
          services.dmfs.settings.policy.signers or settings.network.namespaces.
        '';
      }
      {
        assertion = isMember || settings.network.namespaces == [ ];
        message = ''
          services.dmfs: settings.network.namespaces are for members of a network, and
          settings.network.id does not say which. `dmfs generate network` makes one.
        '';
      }
      {
        assertion = isMember || !cfg.openFirewall;
        message = ''
          services.dmfs: openFirewall without settings.network.id would let everybody
          read every file. `dmfs generate network` makes a network, and `dmfs
          certificate sign` its members.
        '';
      }
      {
        assertion = unknownKeys == [ ];
        message = ''
          services.dmfs: policy names keys that services.dmfs.keys does not have:
          ${toString unknownKeys}. There are: ${toString (lib.attrNames cfg.keys)}.
        '';
      }
      {
        assertion = badNames == [ ];
        message = ''
          services.dmfs: settings.files has names that dmfs refuses: ${toString badNames}
          A name is made of parts of 1 to 255 bytes with slashes between them, and no
          part is "." or "..", begins with ".dmfs" or ends in ".sig".
        '';
      }
      {
        assertion = settings.mountpoint == cfg.mountPoint;
        message = ''
          services.dmfs: set mountPoint, not settings.mountpoint; the unit that unmounts
          needs it too.
        '';
      }
    ];

    warnings = lib.optional (lib.versionOlder config.boot.kernelPackages.kernel.version "6.9") ''
      services.dmfs: Linux ${config.boot.kernelPackages.kernel.version} cannot hand on a live mount;
      from 6.9 on, a restart of dmfs goes unnoticed by whoever reads the files.
    '';

    services.dmfs.settings = {
      mountpoint = mkDefault cfg.mountPoint;
      # An unknown name is refused above.
      files = lib.mapAttrs (_: map (name: cfg.keys.${name} or name)) cfg.policy;
      mount.uid = cfg.user;
      mount.gid = cfg.group;
      cluster.listen = mkDefault (
        lib.concatMap (host: [
          "${host}/udp/${toString cfg.port}/quic-v1"
          "${host}/tcp/${toString cfg.port}"
        ]) hosts
      );
    };

    users.groups = mkIf (cfg.group == "dmfs") { dmfs = { }; };
    users.users = mkIf (cfg.user == "dmfs") {
      dmfs = {
        isSystemUser = true;
        inherit (cfg) group;
      };
    };

    networking.firewall = mkIf cfg.openFirewall (
      if cfg.firewallInterfaces == [ ] then
        opened
      else
        { interfaces = lib.genAttrs cfg.firewallInterfaces (_: opened); }
    );

    boot.kernelModules = [ "fuse" ];
    environment.etc."dmfs/dmfs.toml".source = configFile;
    # The program for everybody, and mount.dmfs for fileSystems.<name>.fsType = "dmfs".
    environment.systemPackages = [ cfg.package ];
    system.fsPackages = [ cfg.package ];

    systemd.services.dmfs = unit // {
      serviceConfig = unit.serviceConfig // {
        StateDirectory = lib.removePrefix "/var/lib/" settings.state_dir;
      };
      # A stop would unmount; a restart keeps the mount.
      stopIfChanged = false;
      # SIGHUP takes everything but what only a start can change.
      reloadTriggers = [ configFile ];
      restartTriggers = [
        (builtins.toJSON (
          given {
            inherit (settings) state_dir mount drafts;
            inherit (settings.cluster) identity_key;
          }
        ))
      ];
    };

    # As it stands, and with programs whose paths stay the same: whenever this unit
    # changes, NixOS restarts it, and that unmounts.
    systemd.units."dmfs-mount.service".text =
      lib.replaceStrings
        [
          "/bin/true"
          "/bin/umount"
          "/run/data-mesher"
        ]
        [
          "/run/current-system/sw/bin/true"
          "/run/current-system/sw/bin/umount"
          cfg.mountPoint
        ]
        (builtins.readFile ./systemd/dmfs-mount.service);
  };
}
