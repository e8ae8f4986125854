# The keys of dmfs.toml as options. What is null or empty is left to dmfs; which of
# its defaults applies is said here, and known there.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;

  leave =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  list =
    type: description:
    mkOption {
      type = types.listOf type;
      default = [ ];
      inherit description;
    };

  duration = types.strMatching "([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+" // {
    description = "duration such as \"30s\" or \"2h30m\"";
  };
  mode = types.strMatching "0?[0-7]{3}" // {
    description = "octal mode such as \"0755\"";
  };
  moment = types.strMatching "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,}(Z|[+-][0-9]{2}:[0-9]{2})" // {
    description = "moment such as \"2026-12-31T23:59:59Z\"";
  };
  owner = types.either types.ints.unsigned types.str;
  # A Nix path is copied into the store.
  key = types.coercedTo types.path (path: "${path}") types.str // {
    description = "public key in any form that dmfs reads, or the path of a file with one";
  };
in
{
  options = {
    mountpoint = mkOption {
      type = types.strMatching "/[^][[:space:]\"'%$\\]+";
      description = "Where the files appear: {option}`services.dmfs.mountPoint`.";
    };

    state_dir = mkOption {
      type = types.strMatching "/var/lib/[A-Za-z0-9._/-]+";
      default = "/var/lib/dmfs";
      description = ''
        Where the index and, unless {option}`cluster.identity_key` says otherwise, the
        identity key are.
      '';
    };

    log_level = leave (types.enum [
      "fatal"
      "error"
      "warn"
      "info"
      "debug"
    ]) "What is logged; null is `info`.";

    cluster = {
      listen = mkOption {
        type = types.listOf types.str;
        example = [
          "/ip4/0.0.0.0/udp/7946/quic-v1"
          "/ip4/0.0.0.0/tcp/7946"
        ];
        description = ''
          Where other nodes reach this one, as libp2p multiaddresses. By default
          {option}`services.dmfs.port` of all addresses for a member of a network,
          else of the loopback address only: without a network whoever reaches the
          port may read every file.
        '';
      };
      bootstrap_peers = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "/dns/alpha.example.org/tcp/7946/p2p/12D3KooWHs5NXo2CPFvFT6cdsu8eSkfggNtfqTtKBVojHY7En86i" ];
        description = ''
          Nodes to meet first. `dmfs peer id` prints the last part of their addresses.
        '';
      };
      announce = list types.str ''
        Addresses at which others reach this node beside those of {option}`cluster.listen`,
        such as a forwarded port; they are told first.
      '';
      interfaces = list types.str ''
        Patterns for the names of network interfaces, `!` in front excludes: addresses of
        others are neither listened on nor told. Empty is all.
      '';
      reachability =
        leave
          (types.enum [
            "auto"
            "public"
            "private"
          ])
          ''
            Members that are `public` pass on what goes to those that are `private`, as
            behind NAT; null is `auto`, neither.
          '';
      mdns = leave types.bool ''
        Whether members on the same LAN find each other without
        {option}`cluster.bootstrap_peers`; null is false.
      '';
      identity_key = leave types.externalPath ''
        The node's private key: a path outside of the Nix store, as everybody may
        read that; it may be a symbolic link to a secret. By default `identity.key`
        in {option}`state_dir`, which dmfs makes at its first start.
      '';
      identity_cert = leave types.path ''
        The certificate that makes the node a member of the network, as `dmfs
        certificate sign` makes it. It is no secret. By default `identity.crt` in
        {option}`state_dir`.
      '';
      push_pull_interval = leave duration "How often two nodes compare all they have; null is 30s.";
      certificate_authorities = list types.str ''
        Certificates that those of members may lack: paths, or PEM.
      '';
      clock_skew = leave duration "How far clocks may be apart; null is 30s.";
      max_future = leave duration ''
        Versions signed further ahead than this wait for their time; null takes them at
        once.
      '';
      keep_versions = leave types.ints.positive ''
        How many versions of each name stay on disk; null is 3.
      '';
    };

    mount = {
      uid = mkOption {
        type = owner;
        description = "Who owns the files: {option}`services.dmfs.user`.";
      };
      gid = mkOption {
        type = owner;
        description = "The group of the files: {option}`services.dmfs.group`.";
      };
      dir_mode = leave mode ''
        Mode of the directories; null is 0755. Who may write in a directory may
        propose files; whether they are taken is decided by their signature.
      '';
      file_mode = leave mode "Mode of the files; null is 0444.";
      read_only = leave types.bool "Whether nobody on this machine may propose files.";
    };

    drafts = {
      max = leave types.ints.positive "How many unfinished writes one user may have; null is 1024.";
      max_bytes = leave types.ints.positive "How many bytes they may take; null is 128 MiB.";
      max_age = leave duration "How long one half of a pair waits for the other; null is 10m.";
    };

    quota = {
      files = leave types.ints.positive "Files of one member in one namespace; null is 1000.";
      bytes = leave types.ints.positive "Bytes of one member in one namespace; null is 64 MiB.";
    };

    metrics.listen = leave types.str ''
      HOST:PORT for `/metrics`, `/healthz` and `/readyz` over HTTP; null is nowhere.
    '';

    network = {
      id = leave key ''
        The network's public key, as `dmfs generate network` makes it. Signatures
        must carry it, and the node talks to members of the network only.
      '';
      namespaces = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "telemetry" ];
        description = "Directories in which each member may publish below its own key.";
      };
    };

    policy.signers = list key ''
      Who may sign `policy.toml`, the file that adds names, signers and namespaces
      on every node without a redeployment.
    '';

    revoked = {
      keys = list key "Keys that prove nothing any more.";
      certificates = list types.str "Serial numbers of certificates that prove nothing any more.";
    };

    bounds = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            not_before = leave moment "Earlier versions are not taken, and not shown.";
            not_after = leave moment "Later versions are not taken, and not shown.";
          };
        }
      );
      default = { };
      example."config.json".not_after = "2026-12-31T23:59:59Z";
      description = "Signed times that the versions of a name may have.";
    };

    files = mkOption {
      type = types.attrsOf (types.nonEmptyListOf key);
      default = { };
      example."config.json" = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
      description = "Which files may exist, and for each the public keys that may sign it.";
    };
  };
}
