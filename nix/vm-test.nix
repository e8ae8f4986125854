# Three machines of one network. Run by `nix flake check`.
{ lib, pkgs, ... }:
let
  dmfs = pkgs.callPackage ./package.nix { };

  # Keys for this test only, which is why they may be in the store. alpha's own key
  # is one of the project's test vectors, as its peer id has to be known here.
  alphaKey = ../test/vectors/openssl.key;
  alphaPeer = "12D3KooWSkd9XqY6c2Xhc6h7cGmif7Rr8zfJipMrk1n8REdDUG3e";
  keys = pkgs.runCommand "dmfs-test-keys" { nativeBuildInputs = [ dmfs ]; } ''
    mkdir $out && cd $out
    generate() { dmfs generate $1 --private-key-path $2.key --public-key-path $2.pub; }
    generate network network
    generate signing-key admin
    generate signing-key mallory
    generate identity-key stranger
    generate identity-key beta
    generate identity-key gamma
    cp ${alphaKey} alpha.key
    cp ${../test/vectors/openssl.pub} alpha.pub
    for name in alpha beta gamma; do
      dmfs certificate sign --name $name --network-key network.key --identity-key $name.pub \
        --validity 87600h --output $name.crt
    done
    chmod a+r *.key
  '';

  machine =
    { config, ... }:
    let
      inherit (config.networking) hostName;
    in
    {
      imports = [ ./module.nix ];
      environment.etc."dmfs/identity.key" = {
        source = "${keys}/${hostName}.key";
        mode = "0400";
      };
      services.dmfs = {
        enable = true;
        package = dmfs;
        openFirewall = true;
        settings = {
          cluster = {
            bootstrap_peers = lib.mkIf (hostName != "alpha") [ "/dns4/alpha/tcp/7946/p2p/${alphaPeer}" ];
            identity_key = "/etc/dmfs/identity.key";
            identity_cert = "${keys}/${hostName}.crt";
            push_pull_interval = "5s";
          };
          network.id = "${keys}/network.pub";
          network.namespaces = [ "telemetry" ];
          files.motd = [ "${keys}/admin.pub" ];
        };
      };
    };
in
{
  name = "dmfs";

  nodes = {
    alpha = machine;
    beta = machine;
    gamma = {
      imports = [ machine ];
      # Counts the versions of motd that it saw.
      systemd.paths.motd = {
        # As in nix/systemd/example.path: a cycle at boot otherwise.
        unitConfig.DefaultDependencies = false;
        conflicts = [ "shutdown.target" ];
        before = [ "shutdown.target" ];
        after = [ "dmfs.service" ];
        partOf = [
          "dmfs.service"
          "dmfs-mount.service"
        ];
        wantedBy = [ "dmfs.service" ];
        pathConfig.PathChanged = "/run/data-mesher/motd";
      };
      systemd.services.motd = {
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig.Type = "oneshot";
        script = "cat /run/data-mesher/motd >> /run/motd.seen";
      };
    };
  };

  testScript = ''
    import base64

    mesh = "/run/data-mesher"
    keys = "${keys}"


    def update(node, content, name, key, more=""):
        node.succeed(f"echo '{content}' > /tmp/content")
        return node.execute(f"dmfs file update /tmp/content --name {name} --key {keys}/{key}.key {more} 2>&1")


    def publish(node, content, name, key, more=""):
        status, output = update(node, content, name, key, more)
        assert status == 0, output


    def shows(content, name):
        for node in machines:
            node.wait_until_succeeds(f"grep -qxF '{content}' {mesh}/{name}", timeout=60)


    def namespace(key):
        """The name in the namespace that belongs to a public key."""
        pem = alpha.succeed(f"cat {keys}/{key}.pub").splitlines()
        der = base64.b64decode("".join(line for line in pem if not line.startswith("-")))
        return "telemetry/" + base64.urlsafe_b64encode(der[-32:]).rstrip(b"=").decode()


    def mount_id(node):
        return node.succeed(f"findmnt -n -o ID {mesh}").strip()


    start_all()
    for node in machines:
        node.wait_for_unit("dmfs.service")
        node.succeed(f"mountpoint -q {mesh}")

    with subtest("a file that is signed at one machine appears at all"):
        publish(alpha, "one", "motd", "admin")
        shows("one", "motd")

    with subtest("a path unit sees what comes from elsewhere"):
        gamma.wait_for_unit("motd.path")
        publish(alpha, "two", "motd", "admin")
        shows("two", "motd")
        gamma.wait_until_succeeds("grep -qx two /run/motd.seen", timeout=60)

    with subtest("an unknown key is refused, and nothing changes"):
        status, output = update(beta, "forged", "motd", "mallory")
        assert status == 3, output
        shows("two", "motd")

    with subtest("a restart keeps the mount and who watches it"):
        before = mount_id(gamma)
        gamma.succeed("systemctl restart dmfs.service")
        assert mount_id(gamma) == before, "mounted anew"
        publish(beta, "three", "motd", "admin")
        shows("three", "motd")
        gamma.wait_until_succeeds("grep -qx three /run/motd.seen", timeout=60)

    with subtest("a file is deleted at another machine than it was signed at"):
        gamma.succeed(f"dmfs file delete motd --key {keys}/admin.key")
        for node in machines:
            node.wait_until_fails(f"test -e {mesh}/motd", timeout=60)

    with subtest("a member publishes in the namespace"):
        publish(alpha, "load 0.5", namespace("alpha"), "alpha")
        shows("load 0.5", namespace("alpha"))
        shows("load 0.5", "telemetry/by-name/alpha")

    with subtest("a key without a certificate does not"):
        status, output = update(alpha, "me too", namespace("stranger"), "stranger")
        assert status == 3, output
        for node in machines:
            node.fail(f"test -e {mesh}/{namespace('stranger')}")

    with subtest("a stop unmounts, and a start brings back what was there"):
        beta.succeed("systemctl stop dmfs.service")
        beta.wait_until_fails(f"mountpoint -q {mesh}")
        beta.succeed("systemctl start dmfs.service")
        shows("load 0.5", namespace("alpha"))
  '';
}
