# Reads a service file as what systemd.services takes, so that NixOS runs the very
# unit that other systems do. A program's path is replaced by the one of `programs`.
{ lib }:
file: programs:
let
  text = lib.replaceStrings (lib.attrNames programs) (lib.attrValues programs) (
    builtins.readFile file
  );

  # [ { section; key; value; } ], in the order of the file
  directives =
    (lib.foldl' (
      seen: line:
      let
        header = builtins.match "\\[(.*)]" line;
        directive = builtins.match "([A-Za-z]+)=(.*)" line;
      in
      if header != null then
        seen // { section = lib.head header; }
      else if directive != null then
        seen
        // {
          found = seen.found ++ [
            {
              inherit (seen) section;
              key = lib.head directive;
              value = lib.last directive;
            }
          ];
        }
      else if line == "" || lib.hasPrefix "#" line then
        seen
      else
        throw "${toString file}: no directive: ${line}"
    ) { found = [ ]; } (lib.splitString "\n" text)).found;

  # A directive that stands there twice has a list of values.
  section =
    name:
    lib.mapAttrs (_: values: if lib.length values == 1 then lib.head values else values) (
      lib.foldl' (all: d: all // { ${d.key} = (all.${d.key} or [ ]) ++ [ d.value ]; }) { } (
        lib.filter (d: d.section == name) directives
      )
    );

  unit = section "Unit";
  units =
    values: lib.filter (name: name != "") (lib.concatMap (lib.splitString " ") (lib.toList values));
in
{
  # Where NixOS has an option of its own, so that others can add to it.
  description = unit.Description or "";
  wants = units (unit.Wants or "");
  requires = units (unit.Requires or "");
  after = units (unit.After or "");
  unitConfig = removeAttrs unit [
    "Description"
    "Wants"
    "Requires"
    "After"
  ];
  serviceConfig = section "Service";
  wantedBy = units ((section "Install").WantedBy or "");
}
