import { z } from 'zod';
import { defineTool } from '../tool.ts';

export const listHosts = defineTool({
  name: 'list_hosts',
  title: 'List hosts',
  description:
    'The hosts that can be asked, with tags and groups. Nothing else can be reached. Costs nothing on the hosts.',
  risk: 'reads',
  input: z.strictObject({}),
  output: z.object({
    hosts: z.array(z.object({ name: z.string(), tags: z.array(z.string()), groups: z.array(z.string()) })),
  }),
  run: (_, { desk }) => {
    const hosts = desk
      .hosts()
      .map(({ name, tags, groups }) => ({ name, tags: [...tags], groups: [...groups] }));
    const text = hosts.map(
      ({ name, tags, groups }) =>
        `${name}${groups.length === 0 ? '' : ` groups: ${groups.join(', ')}`}${tags.length === 0 ? '' : ` tags: ${tags.join(', ')}`}`,
    );
    return Promise.resolve({ text: text.join('\n') || 'No hosts are configured.', data: { hosts } });
  },
});
