import { describe, expect, test } from 'vitest';
import type { Catalog, Facts, Triage } from '../../../src/catalog/types.ts';
import { PraError } from '../../../src/errors.ts';
import type { LookReport, ReadResult, ReadStatus } from '../../../src/request/desk.ts';
import type { LookQuery } from '../../../src/request/look.ts';
import { runTriage } from '../../../src/request/triage.ts';
import type { Caller } from '../../../src/request/types.ts';
import { readResult } from '../../support/read-result.ts';

const CALLER: Caller = { principal: 'operator', client: 'test', channel: 'mcp' };

const SLOW: Triage = {
  symptom: 'slow',
  title: 'Slow',
  ask: [
    {
      diagnostic: 'load',
      args: { lines: '3' },
      findings: [
        { fact: 'per_cpu', op: 'ge', value: 1.5, say: 'Too much work' },
        { fact: 'state', op: 'ne', value: 'running', say: 'Not running' },
      ],
    },
    { diagnostic: 'top', args: {}, findings: [] },
  ],
  next: 'Ask somebody.',
};

const result = (host: string, diagnostic: string, facts: Facts, status: ReadStatus = 'ok'): ReadResult =>
  readResult({
    host,
    diagnostic,
    facts,
    status,
    ...(status === 'ok' ? {} : { hint: 'Try later.', code: 'UNREACHABLE' }),
  });

type Answers = Readonly<Record<string, (host: string) => ReadResult>>;

const run = (answers: Answers, hosts: readonly string[] = ['h1']) => {
  const asked: unknown[] = [];
  const desk = {
    catalog: { triages: new Map([['slow', SLOW]]) } as unknown as Catalog,
    look: (_: Caller, query: { diagnostic: string; args: unknown }): Promise<LookReport> => {
      asked.push([query.diagnostic, query.args]);
      const answer = answers[query.diagnostic];
      if (answer === undefined) throw new Error('not expected');
      return Promise.resolve({ results: hosts.map(answer), summary: '', differences: [] });
    },
  };
  return { asked, report: (symptom: string) => runTriage(desk, CALLER, { symptom, hosts }) };
};

describe('a triage', () => {
  test('tells the facts that explain a symptom, with their thresholds, and the first rows of their tables', async () => {
    const rows = Array.from({ length: 9 }, (_, pid) => ({ pid }));
    const { asked, report } = run({
      load: (host) => result(host, 'load', { per_cpu: 1.5, state: 'running', rows }),
      top: (host) => result(host, 'top', { rows }),
    });
    expect(await report('slow')).toEqual({
      symptom: 'slow',
      hosts: [
        {
          host: 'h1',
          findings: [
            { say: 'Too much work', diagnostic: 'load', fact: 'per_cpu', value: 1.5, limit: '>= 1.5' },
          ],
          clean: ['top'],
          not_present: [],
          not_asked: [],
          unanswered: [],
          facts: { load: { per_cpu: 1.5, state: 'running', rows: rows.slice(0, 5) } },
          suspicious: [],
        },
      ],
      summary: 'triage slow: findings on h1',
      next: 'Ask somebody.',
    });
    expect(asked).toEqual([
      ['load', { lines: '3' }],
      ['top', {}],
    ]);
  });

  test('just below the threshold is nothing, and neither is an absent fact or one of another type', async () => {
    for (const per_cpu of [1.49, '9', undefined]) {
      const facts = per_cpu === undefined ? {} : { per_cpu };
      const { report } = run({
        load: (host) => result(host, 'load', facts),
        top: (host) => result(host, 'top', {}),
      });
      const { hosts, summary } = await report('slow');
      expect(hosts[0]?.findings).toEqual([]);
      expect(summary).toBe('triage slow: nothing found');
    }
  });

  test('what does not answer on one host is told, and the others keep their findings', async () => {
    const { report } = run(
      {
        load: (host) => result(host, 'load', { per_cpu: 3 }, host === 'h2' ? 'unreachable' : 'ok'),
        top: (host) => result(host, 'top', {}, host === 'h2' ? 'not_present' : 'ok'),
      },
      ['h1', 'h2'],
    );
    const { hosts, summary } = await report('slow');
    expect(hosts[1]).toMatchObject({
      host: 'h2',
      findings: [],
      not_present: ['top'],
      unanswered: [{ diagnostic: 'load', status: 'unreachable', code: 'UNREACHABLE', hint: 'Try later.' }],
      facts: {},
    });
    expect(summary).toBe('triage slow: findings on h1; not everything answered on h2');
  });

  test('an unknown symptom is refused with those that there are', async () => {
    const { report } = run({});
    await expect(report('tired')).rejects.toThrow(PraError);
    await expect(report('tired')).rejects.toMatchObject({
      code: 'SYMPTOM_UNKNOWN',
      values: { names: 'slow' },
    });
  });

  test('asks about each name of a host, eight at most, once the names are known, and says which it left out', async () => {
    const triage: Triage = {
      symptom: 'certificate',
      title: 'TLS',
      ask: [
        { diagnostic: 'named_things', args: {}, findings: [] },
        {
          diagnostic: 'cert',
          args: { lines: '1' },
          each: 'certificate',
          findings: [{ fact: 'expired', op: 'eq', value: true, say: 'It is over' }],
        },
      ],
      next: 'Nothing.',
    };
    const names: Readonly<Record<string, readonly string[]>> = {
      h1: ['shop', 'mail'],
      h2: ['shop', '[masked: phone number]', ...Array.from({ length: 8 }, (_, index) => `n${String(index)}`)],
      h3: Array.from({ length: 8 }, (_, index) => `n${String(index)}`),
      h4: [],
    };
    const asked: unknown[] = [];
    const steps: string[] = [];
    const desk = {
      catalog: { triages: new Map([['certificate', triage]]) } as unknown as Catalog,
      look: (_: Caller, { diagnostic, hosts, args }: LookQuery): Promise<LookReport> => {
        if (diagnostic !== 'named_things') asked.push([hosts, args]);
        const results = hosts.map((host) =>
          diagnostic === 'named_things'
            ? result(host, diagnostic, {
                names: [
                  { kind: 'log', name: 'app' },
                  ...(names[host] ?? []).map((name) => ({ kind: 'certificate', name })),
                ],
              })
            : result(host, diagnostic, { expired: args['certificate'] === 'shop' }),
        );
        return Promise.resolve({ results, summary: '', differences: [] });
      },
    };
    const { hosts } = await runTriage(
      desk,
      CALLER,
      { symptom: 'certificate', hosts: ['h1', 'h2', 'h3', 'h4'] },
      { onProgress: (done, total) => steps.push(`${String(done)}/${String(total)}`) },
    );
    expect(asked.slice(0, 2)).toEqual([
      [['h1', 'h2'], { lines: '1', certificate: 'shop' }],
      [['h1'], { lines: '1', certificate: 'mail' }],
    ]);
    expect(asked).toHaveLength(10); // shop, mail, and eight more of the third host, of which the second is asked for seven
    expect(steps.at(-1)).toBe('11/11');
    expect(hosts.map(({ not_asked }) => not_asked)).toEqual([
      [],
      ['cert certificate=n7', 'cert (1 masked)'],
      [],
      [],
    ]);
    expect(hosts.map(({ findings }) => findings.map(({ diagnostic }) => diagnostic))).toEqual([
      ['cert certificate=shop'],
      ['cert certificate=shop'],
      [],
      [],
    ]);
    expect(Object.keys(hosts[0]?.facts ?? {})).toEqual(['cert certificate=shop']);
    expect(hosts[0]?.clean).toEqual(['named_things', 'cert certificate=mail']);
    expect(hosts[3]?.clean).toEqual(['named_things']);
  });
});
