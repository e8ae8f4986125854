# dmfs as one static program, with its manual page, completions and mount.dmfs.
#
# vendorHash follows go.mod and what any package or test imports. After a change of either, in the root of the project:
#
#   d=$(mktemp -d) && go mod vendor -o $d/v && nix --extra-experimental-features nix-command hash path $d/v
{
  lib,
  stdenv,
  buildGoModule,
  installShellFiles,
  versionCheckHook,
  version ? "0.1.0",
}:
buildGoModule {
  pname = "dmfs";
  inherit version;

  # All packages, as vendorHash covers what any of them imports.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../go.mod
      ../go.sum
      ../cmd
      ../fs
      ../index
      ../replica
      ../test
      ../trust
    ];
  };
  vendorHash = "sha256-dF7VurSS688fxWackwpLVmkAkeU0feTMLJFa+iFSOEg=";

  subPackages = [ "cmd/dmfs" ];
  env.CGO_ENABLED = 0;
  ldflags = [
    "-s"
    "-w"
    "-X main.stamp=${version}"
  ];

  # They mount and open ports, which a build may not; vm-test.nix does.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall =
    lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      $out/bin/dmfs man > dmfs.1
      installManPage dmfs.1
      installShellCompletion --cmd dmfs \
        --bash <($out/bin/dmfs completion bash) \
        --fish <($out/bin/dmfs completion fish) \
        --zsh <($out/bin/dmfs completion zsh)
    ''
    + lib.optionalString stdenv.hostPlatform.isLinux ''
      ln -s dmfs $out/bin/mount.dmfs
    '';

  doInstallCheck = true;
  nativeInstallCheckInputs = [ versionCheckHook ];

  meta = {
    description = "File system over a replicated set of small signed files";
    license = lib.licenses.mit;
    mainProgram = "dmfs";
    # On darwin without the mount: keys, certificates and signatures only.
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
