# What working on dmfs takes: `nix develop`, then ./test/run.
{
  lib,
  stdenv,
  mkShell,
  go,
  golangci-lint,
  gopls,
  shellcheck,
  nixfmt,
  minisign,
  openssl,
  openssh,
  git,
  python3,
  rsync,
  curl,
  attr,
  fuse3,
  inotify-tools,
  procps,
  util-linux,
  debootstrap,
  vim,
  nano,
  zsh,
  fish,
  groff,
  man-db,
}:
mkShell {
  packages = [
    go
    golangci-lint
    gopls
    shellcheck
    nixfmt
    minisign
    openssl
    openssh
    git
    (python3.withPackages (ps: lib.optional stdenv.hostPlatform.isLinux ps.watchdog))
    rsync
    curl
    vim
    nano
    zsh
    fish
    groff
  ]
  ++ lib.optionals stdenv.hostPlatform.isLinux [
    attr
    fuse3
    inotify-tools
    procps
    util-linux
    debootstrap
    man-db
  ];

  # The Go that is here, and no other that it would fetch.
  env.GOTOOLCHAIN = "local";
}
