# The Clan service "dmfs": data-mesher's roles, options, exports and keys, served by
# dmfs. A clan that changes over keeps its network, its peer ids and its namespaces,
# since the generators that they come from have the names that they had.
#
# Renewal makes a new certificate for the key that is there:
#
#   clan vars generate --regenerate --generator data-mesher-node-certificate MACHINE
#   clan machines update MACHINE
{ clanLib, lib, ... }:
let
  networkGenerator = "data-mesher-network";
  identityGenerator = "data-mesher-node-identity";
  certificateGenerator = "data-mesher-node-certificate";

  removed = role: {
    description = "REMOVED: use the role 'default'.";
    interface = { };
    perInstance = _: {
      nixosModule.assertions = [
        {
          assertion = false;
          message = ''
            dmfs: the role '${role}' of data-mesher v1 does not exist. Use 'default';
            who may sign a file is said in network.files.
          '';
        }
      ];
    };
  };
in
{
  _class = "clan.service";
  manifest = {
    name = "dmfs";
    description = "A file system over a replicated set of small signed files";
    categories = [ "Network" ];
    readme = ''
      Files that are signed by a key which `network.files` names, or published by a
      machine in one of `network.namespaces`, appear on all machines of the role
      `default`, below `mountPoint`. Other services declare theirs by exporting
      `dataMesher.files` and `dataMesher.namespaces`.
    '';
  };

  roles.default = {
    description = "A machine on which the files appear, and may be proposed.";
    interface =
      { lib, ... }:
      let
        inherit (lib) mkOption types;
      in
      {
        options = {
          logLevel = mkOption {
            type = types.enum [
              "fatal"
              "error"
              "warn"
              "info"
              "debug"
            ];
            default = "info";
            description = "What is logged.";
          };

          port = mkOption {
            type = types.port;
            default = 7946;
            description = "TCP and UDP port for the other machines.";
          };

          interfaces = mkOption {
            type = types.listOf types.str;
            default = [ ];
            example = [ "tailscale0" ];
            description = ''
              Network interfaces on which the firewall lets other machines in; all when
              the list is empty.
            '';
          };

          extraBootstrapPeers = mkOption {
            type = types.listOf types.str;
            default = [ ];
            example = [ "/ip4/192.168.1.1/tcp/7946/p2p/12D3KooWHs5NXo2CPFvFT6cdsu8eSkfggNtfqTtKBVojHY7En86i" ];
            description = ''
              Nodes to meet first, besides the machines of the role `bootstrap`, as
              libp2p multiaddresses.
            '';
          };

          mountPoint = mkOption {
            type = types.str;
            default = "/run/data-mesher";
            example = "/var/lib/data-mesher/files/home";
            description = ''
              Where the files appear. The example is where data-mesher has them, for
              services that look there.
            '';
          };

          certificateValidity = mkOption {
            type = types.strMatching "[0-9]+h";
            default = "2160h";
            example = "8760h";
            description = ''
              How long a machine's certificate holds. A change makes new ones, for the
              same keys.
            '';
          };

          network = {
            files = mkOption {
              type = types.attrsOf (types.listOf types.str);
              default = { };
              example."config.json" = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
              description = ''
                Which files may exist, and for each the public keys that may sign it.
                Exports of other services are added.
              '';
            };

            namespaces = mkOption {
              type = types.listOf types.str;
              default = [ ];
              example = [ "telemetry" ];
              description = ''
                Directories in which each machine may publish below its own key. Exports
                of other services are added.
              '';
            };

            policySigners = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = ''
                Who may sign `policy.toml`, the file that adds names, signers and
                namespaces without an update of the machines.
              '';
            };
          };
        };
      };

    perInstance =
      {
        settings,
        exports,
        roles,
        machine,
        ...
      }:
      let
        exported = lib.filter (e: e != null) (
          map (e: e.dataMesher or null) (lib.attrValues exports)
        );
        files = lib.zipAttrsWith (_: keys: lib.unique (lib.concatLists keys)) (
          map (e: e.files or { }) exported ++ [ settings.network.files ]
        );
        namespaces = lib.unique (
          lib.concatMap (e: e.namespaces or [ ]) exported ++ settings.network.namespaces
        );

        # A machine need not be told to meet itself.
        bootstrapMachines = lib.remove machine.name (lib.attrNames (roles.bootstrap.machines or { }));
        lost = lib.filter (name: !lib.hasAttr name (roles.default.machines or { })) bootstrapMachines;
        isBootstrap = lib.hasAttr machine.name (roles.bootstrap.machines or { });
      in
      {
        nixosModule =
          { config, ... }:
          let
            inherit (config.clan.core) vars;
            address =
              name:
              let
                port = toString (roles.default.machines.${name} or { inherit settings; }).settings.port;
                peer = clanLib.getPublicValue {
                  flake = config.clan.core.settings.directory;
                  machine = name;
                  generator = identityGenerator;
                  file = "peer.id";
                  default = throw "dmfs: ${name} has no peer id yet; run: clan vars generate ${name}";
                };
                host = "/dns/${name}.${config.clan.core.settings.domain}";
                id = lib.trim peer;
              in
              [
                "${host}/udp/${port}/quic-v1/p2p/${id}"
                "${host}/tcp/${port}/p2p/${id}"
              ];
            bootstrapPeers = lib.concatMap address bootstrapMachines ++ settings.extraBootstrapPeers;
            runtimeInputs = [ config.services.dmfs.package ];
          in
          {
            imports = [ ./module.nix ];

            assertions = [
              {
                assertion = isBootstrap || bootstrapPeers != [ ];
                message = ''
                  dmfs: the machine ${machine.name} knows nobody to meet. Give a machine the role
                  'bootstrap', or set extraBootstrapPeers.
                '';
              }
              {
                assertion = lost == [ ];
                message = "dmfs: of the role 'bootstrap', but not 'default': ${toString lost}. Give them both.";
              }
            ];

            clan.core.vars.generators = {
              ${networkGenerator} = {
                share = true;
                files."network.key".deploy = false;
                files."network.pub".secret = false;
                inherit runtimeInputs;
                script = ''
                  dmfs generate network \
                    --public-key-path "$out/network.pub" --private-key-path "$out/network.key"
                '';
              };

              ${identityGenerator} = {
                files."identity.key".restartUnits = [ "dmfs.service" ];
                files."identity.pub".secret = false;
                files."peer.id".secret = false;
                inherit runtimeInputs;
                script = ''
                  dmfs generate identity-key \
                    --public-key-path "$out/identity.pub" --private-key-path "$out/identity.key"
                  dmfs peer id "$out/identity.pub" > "$out/peer.id"
                '';
              };

              # Apart from the key, so that renewal leaves the key as it is. It is no
              # secret: it travels with what the machine publishes.
              ${certificateGenerator} = {
                dependencies = [
                  networkGenerator
                  identityGenerator
                ];
                files."identity.crt".secret = false;
                validation = {
                  inherit (machine) name;
                  validity = settings.certificateValidity;
                };
                inherit runtimeInputs;
                script = ''
                  dmfs certificate sign \
                    --name ${lib.escapeShellArg machine.name} \
                    --network-key "$in/${networkGenerator}/network.key" \
                    --identity-key "$in/${identityGenerator}/identity.pub" \
                    --validity ${settings.certificateValidity} \
                    --output "$out/identity.crt"
                '';
              };
            };

            services.dmfs = {
              enable = true;
              openFirewall = true;
              firewallInterfaces = settings.interfaces;
              inherit (settings) port mountPoint;
              settings = {
                log_level = settings.logLevel;
                cluster = {
                  bootstrap_peers = bootstrapPeers;
                  identity_key = vars.generators.${identityGenerator}.files."identity.key".path;
                  identity_cert = vars.generators.${certificateGenerator}.files."identity.crt".path;
                };
                network = {
                  id = vars.generators.${networkGenerator}.files."network.pub".path;
                  inherit namespaces;
                };
                inherit files;
                policy.signers = settings.network.policySigners;
              };
            };
          };
      };
  };

  roles.bootstrap = {
    description = "A machine that the others meet first. It has the role 'default' too.";
    interface = { };
    perInstance = _: { nixosModule = { }; };
  };

  roles.admin = removed "admin";
  roles.peer = removed "peer";
  roles.signer = removed "signer";
}
