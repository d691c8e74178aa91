/** What `mcp-pra look` shows besides results (cli-en.ts has those). `{x}` is filled by `say`. Another language is another file of the same shape. */
export const lookEn = {
  'look.list.head':
    '{count} diagnostics. Details: mcp-pra look --list TOPIC; to ask: mcp-pra look NAME --host HOST',
  'look.list.topic': '{topic} ({count})',
  'look.list.facts': 'facts',
  'look.list.try': 'try',
  'look.no_topic': 'There is no topic {topic}. Topics: {topics}',
  'look.no_terminal':
    'The menu needs a terminal; this is the list. To ask: mcp-pra look NAME --host HOST [name=value…]',
  'look.menu.title': 'Look at hosts',
  'look.menu.keys': 'Type a number or a name (its beginning is enough). Enter goes back, q leaves.',
  'look.menu.topics': 'Topics',
  'look.menu.topic': 'topic or diagnostic: ',
  'look.menu.diagnostic': 'diagnostic: ',
  'look.menu.hosts': 'Hosts and groups',
  'look.menu.group': 'group of {count}',
  'look.menu.host': 'hosts (several with commas): ',
  'look.menu.one_host': 'There is one host: {host}',
  'look.menu.no_hosts': 'No hosts are configured. Add one: mcp-pra init',
  'look.menu.names': 'names that the configuration knows: {names}',
  'look.menu.unclear': 'That is none of them, or several. Type a number or more of the name.',
  'look.menu.most': 'At most {max} hosts in one call.',
  'look.menu.bad': 'It must be {expected}.',
  'look.menu.same': 'the same again: {line}',
} as const;
