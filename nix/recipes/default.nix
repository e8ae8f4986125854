# All recipes: services.dmfs.recipes.NAME.enable.
{
  imports = [
    ./agent/module.nix
    ./authorized-keys/module.nix
    ./dns/module.nix
    ./machine-facts/module.nix
    ./pull-deploy/module.nix
  ];
}
