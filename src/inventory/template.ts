/** What `fleetflip init` writes. */

export function inventoryTemplate(): string {
  return `# yaml-language-server: $schema=./node_modules/fleetflip/dist/inventory/inventory.schema.json
# The servers and what is released to them. Every key: inventory.example.yaml in the package.

app:
  name: foo              # the live link is /var/www/foo
  root: /var/www         # beside it: the slots foo_l and foo_r

ssh:
  user: deploy
  # identity: ~/.ssh/id_ed25519
  # jump: [ops@bastion.example.com]

# checks:
#   idle:
#     - php -l index.php

hosts:
  - web[01:03].example.com
  # - name: eu1
  #   address: 10.20.0.5
  #   tags: [eu]
`;
}
