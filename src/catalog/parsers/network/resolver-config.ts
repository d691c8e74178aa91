import { outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** The stub of systemd-resolved(8); what it asks itself is in a file of its own. */
const STUB = /^127\.0\.0\.5[34]$/u;

/** `resolv`: /etc/resolv.conf (resolv.conf(5)), `link`: where it leads, `order`: the hosts line of nsswitch.conf(5), `upstream`: what systemd-resolved asks. */
export const resolverConfig: FactParser = (sections) => {
  const lines = outputLines(sections.get('resolv') ?? '').map(words);
  const of = (key: string): readonly string[] =>
    lines.filter(([word]) => word === key).flatMap(([, ...rest]) => rest);
  const servers = lines.filter(([word]) => word === 'nameserver').flatMap(([, server]) => server ?? []);
  // Of several search lines the last one counts; domain is its old name.
  const search = lines.findLast(([word]) => word === 'search' || word === 'domain')?.slice(1) ?? [];
  const upstream = outputLines(sections.get('upstream') ?? '')
    .map(words)
    .filter(([word]) => word === 'nameserver')
    .flatMap(([, server]) => server ?? []);
  const [order = []] = outputLines(sections.get('order') ?? '').map(words);
  return {
    servers: servers.length,
    name_servers: servers.join(' ') || 'none',
    search: search.join(' ') || 'none',
    options: of('options').join(' ') || 'none',
    hosts_order: order[0] === 'hosts:' ? order.slice(1).join(' ') : undefined,
    leads_to: outputLines(sections.get('link') ?? '')[0]?.trim(),
    uses_stub: servers.some((server) => STUB.test(server)),
    upstream: upstream.length === 0 ? undefined : upstream.join(' '),
  };
};
