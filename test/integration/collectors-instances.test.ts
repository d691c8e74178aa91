import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { madeByCollector } from '../support/loaded-collector.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const SOURCES = resolve(import.meta.dirname, '../../target-scripts/collectors');
const target = new RenderedTarget();
afterAll(() => target.remove());

const made = (collector: string, expression: string, text: string): unknown =>
  madeByCollector(target.path(`lib/collectors/${collector}`), expression, text);

describe('containers', () => {
  // The units of https://man.archlinux.org/man/docker-container-stats.1.en, beside those without a blank that newer ones write.
  test.each([
    ['796 KiB / 64 MiB', [815_104, 67_108_864]],
    ['2.746MiB / 64MiB', [2_879_390, 67_108_864]],
    ['3.568 MB / 512 KB', [3_568_000, 512_000]],
    ['0B / 1.5GiB', [0, 1_610_612_736]],
    ['-- / --', [null, null]],
    ['1e9 MiB', [null, null]],
    ['1 / 2 / 3', [null, null]],
    ['5 PiB / 5 B', [null, 5]],
  ])('the amounts %s', (text, amounts) => {
    expect(made('containers', 'collector.amounts(text)', text)).toEqual(amounts);
  });

  test('a limit of the host itself is none, one just below it is one', () => {
    const row = (limit: string): string =>
      `collector.limited({'name': text, 'memory_bytes': 50, 'memory_limit_bytes': ${limit}}, 100)`;
    expect(made('containers', row('99'), 'shop')).toEqual({
      name: 'shop',
      memory_bytes: 50,
      memory_limit_bytes: 99,
      memory_percent: 50.5,
    });
    for (const limit of ['100', '101', '0', 'None'])
      expect(made('containers', row(limit), 'shop')).toEqual({ name: 'shop', memory_bytes: 50 });
  });
});

describe('rabbitmq', () => {
  const queues = (count: number): string =>
    JSON.stringify(
      Array.from({ length: count }, (_, index) => ({ name: `q${String(index)}`, messages: index })),
    );
  // Virtual hosts are asked one by one; each has the same queues here.
  const facts = (hosts: number): string =>
    `(setattr(collector, 'said', lambda program, account, *words: [{'name': f'v{i}'} for i in range(${String(hosts)})] if words[0] == 'list_vhosts' else collector.json.loads(text)), collector.queue_facts(None))[1]`;

  test('40 queues are shown and all are counted, the fullest first', () => {
    const all = made('rabbitmq', facts(1), queues(40)) as { rows: readonly unknown[] };
    expect(all.rows).toHaveLength(40);
    const more = made('rabbitmq', facts(1), queues(41)) as { rows: readonly unknown[] };
    expect(more).toMatchObject({ queues: 41, messages: 820 });
    expect(more.rows).toHaveLength(40);
    expect(more.rows[0]).toMatchObject({ name: 'q40', messages: 40 });
  });

  test('20 virtual hosts are asked, and it says of how many', () => {
    expect(made('rabbitmq', facts(20), queues(1))).toMatchObject({
      virtual_hosts: 20,
      virtual_hosts_read: 20,
    });
    expect(made('rabbitmq', facts(21), queues(1))).toMatchObject({
      virtual_hosts: 21,
      virtual_hosts_read: 20,
    });
  });

  test.each(['null', '7', '{"a":1}', '[1,null,{"name":7,"messages":"many"}]'])(
    'queues that are %s',
    (text) => {
      expect(made('rabbitmq', facts(1), text)).toMatchObject({ messages: 0, queues_nobody_empties: 0 });
    },
  );
});

describe('pacemaker', () => {
  test.each(['', '<a', '<crm_mon/>', '<pacemaker-result><status code="102"/></pacemaker-result>'])(
    '%j is no answer',
    (text) => {
      expect(made('pacemaker', 'collector.cluster(text)', text)).toBeNull();
    },
  );

  test('an answer without its parts is one without facts', () => {
    const text = '<pacemaker-result><status code="0"/></pacemaker-result>';
    expect(made('pacemaker', 'collector.cluster(text)', text)).toMatchObject({
      coordinator: 'none',
      nodes: 0,
      resources: 0,
      fencing_enabled: null,
    });
  });

  test('a resource that somebody stopped is not one that is down; one in a group of a clone counts', () => {
    const resource = (id: string, more: string): string => `<resource id="${id}" role="Stopped" ${more}/>`;
    const text = `<pacemaker-result><resources>${resource('a', 'target_role="Stopped"')}
      <clone><group>${resource('b', 'failed="true"')}</group></clone></resources><status code="0"/></pacemaker-result>`;
    expect(made('pacemaker', 'collector.cluster(text)', text)).toMatchObject({
      resources: 2,
      resources_stopped: 1,
      resources_failed: 1,
      rows: [{ resource: 'b' }, { resource: 'a' }],
    });
  });
});

describe('process_internals', () => {
  test('switches of both kinds count together, and no other line does', () => {
    const status =
      'Name:\tvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n';
    const read =
      "(setattr(collector, 'read_small', lambda path: text.encode()), collector.switches_of(1))[1]";
    expect(made('process_internals', read, status)).toBe(15);
  });

  // (start, state, switches) of one process in the first look and in the second.
  test.each([
    ['waits since before', "(5, b'D', 9)", "(5, b'D', 9)", [1, 1]],
    ['ran in between and waits again', "(5, b'D', 9)", "(5, b'D', 10)", [1, 0]],
    ['began to wait in between', "(5, b'S', None)", "(5, b'D', 9)", [1, 0]],
    ['is another one of the same number', "(5, b'D', 9)", "(6, b'D', 9)", [1, 0]],
    ['waits no more', "(5, b'D', 9)", "(5, b'R', None)", [0, 0]],
    ['sleeps as it should', "(5, b'S', None)", "(5, b'S', None)", [0, 0]],
  ])('one that %s', (_, before, after, [blocked, stuck]) => {
    const replaced = [
      `look=iter([{7: (${before}, 'sh')}, {7: (${after}, 'sh')}]).__next__`,
      'SAMPLE=0',
      "described=lambda pid, comm, names, facts: {'pid': pid, **facts}",
      'waits_in=lambda pid: {}',
      'open_files=lambda pid: None',
    ];
    const collected = `(vars(collector).update(${replaced.join(', ')}), collector.collect())[1]`;
    expect(made('process_internals', collected, '')).toMatchObject({
      blocked_count: blocked,
      stuck_count: stuck,
    });
  });
});

describe('servers', () => {
  test.each([
    ['Error: adapting: parsing: hunter2-Secret', 'Error: adapting: parsing: (left out)'],
    ['Error: unknown directive: refuse', 'Error: unknown directive: refuse'],
    ['{"level":"warn","msg":"not formatted","file":"x"}', 'warning: not formatted'],
    ['{"level":"info","msg":"using adjacent Caddyfile"}', null],
    ['hunter2-Secret', null],
    ['[]', null],
  ])('Caddy says %j', (text, problem) => {
    expect(made('servers', 'collector.caddy_problem(text)', text)).toEqual(problem);
  });

  test.each(['', 'null', '{}', '{"apps":{"http":{"servers":[]}}}', '{"apps":{"http":{"servers":{"a":7}}}}'])(
    'a configuration of Caddy that is %j has no sites',
    (text) => {
      expect(made('servers', 'collector.caddy_hosts(text)', text)).toEqual([]);
    },
  );
});

describe('firewall', () => {
  test('what is no zone of firewalld is left out', () => {
    expect(made('firewall', 'collector.zones(text)', '  target: default\n\trule x\n')).toEqual({});
    expect(
      made(
        'firewall',
        'collector.zones(text)',
        'public (active)\n  ports: 1/tcp\n  rich rules: \n\tone\n\ttwo\n',
      ),
    ).toEqual({
      'public (active)': { ports: '1/tcp', 'rich rules': 2 },
    });
  });
});

test.each(['rabbitmq', 'pacemaker'])(
  '%s takes no argument, and refuses as it stands in the repository',
  (name) => {
    const given = spawnSync(target.path(`lib/collectors/${name}`), ['x'], { encoding: 'utf8' });
    expect([given.status, given.stderr]).toEqual([126, `refused ${name} LOGIN\n`]);
    expect(spawnSync(resolve(SOURCES, name)).status).toBe(126);
  },
);
