import type { Diagnostic } from '../../../src/catalog/types.ts';

const TOPICS = ['disk', 'services', 'logs', 'processes', 'network', 'containers', 'databases', 'security'];

/** Made-up diagnostics, for what has to hold however many there are. */
export const manyDiagnostics = (count: number, nameLength = 16): readonly (readonly [string, Diagnostic])[] =>
  Array.from({ length: count }, (_, index) => {
    const topic = TOPICS[index % TOPICS.length] ?? '';
    const name = `made_up_${String(index).padStart(4, '0')}_`.padEnd(nameLength, 'x');
    return [
      name,
      {
        kind: 'diagnostic',
        name,
        title: `Made-up things about ${topic}`,
        summary: `Tells what is made up about ${topic}. Use it when something else was made up before. Cheap.`,
        params: [
          { name: 'lines', type: 'integer', bounds: '1..500', default: '100', help: 'How many of them.' },
        ],
        run: [{ section: 'made', argv: ['/usr/bin/true'] }],
        parse: 'lines',
        facts: { made_things: { type: 'integer', help: 'How many were made.' } },
        stable: [],
        limits: { seconds: 5, bytes: 4_096 },
        needs: {},
        tags: [topic, 'made-up'],
        tier: 2,
        text: true,
        compact: false,
        promote: false,
        example: {},
        digest: '0'.repeat(64),
      },
    ] as const;
  });
