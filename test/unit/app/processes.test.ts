import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openProcesses } from '../../../src/app/processes.ts';

describe('real processes', () => {
  test('one that lives is alive, and gone once it was killed', async () => {
    const module = join(import.meta.dirname, '../../../src/app/processes.ts');
    const script = `import { openProcesses } from ${JSON.stringify(module)};
      process.stdout.write(openProcesses().own); process.stdin.resume();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const name = said.toString();
    const here = openProcesses();
    expect(here.look(name)).toBe('alive');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(here.look(name)).toBe('gone');
  });

  test('this one is there', () => {
    const here = openProcesses();
    expect(here.own).toMatch(/^[0-9a-f-]{36} pid:\[\d+\] \d+ \d+$/u);
    expect(here.look(here.own ?? '')).toBe('alive');
  });
});

describe('what /proc says', () => {
  let proc = '';
  afterEach(() => rmSync(proc, { recursive: true }));

  /** A /proc with this process and one more, 4242, that was born at tick 777. */
  const procWith = (state = 'S', comm = 'node'): ReturnType<typeof openProcesses> => {
    proc = mkdtempSync(join(tmpdir(), 'mcp-pra-proc-'));
    const stat = (pid: number, name: string, now: string, born: number): void => {
      mkdirSync(join(proc, String(pid)));
      const fields = [
        String(pid),
        `(${name})`,
        now,
        ...Array.from({ length: 18 }, () => '1'),
        String(born),
        '0',
      ];
      writeFileSync(join(proc, String(pid), 'stat'), `${fields.join(' ')}\n`);
    };
    mkdirSync(join(proc, 'sys/kernel/random'), { recursive: true });
    writeFileSync(join(proc, 'sys/kernel/random/boot_id'), 'boot-one\n');
    mkdirSync(join(proc, 'self/ns'), { recursive: true });
    symlinkSync('pid:[1]', join(proc, 'self/ns/pid'));
    stat(process.pid, 'node', 'R', 5);
    stat(4242, comm, state, 777);
    return openProcesses(proc);
  };

  test.each([
    ['the same process', 'boot-one pid:[1] 4242 777', 'alive'],
    ['another one with its pid', 'boot-one pid:[1] 4242 776', 'gone'],
    ['no process with its pid', 'boot-one pid:[1] 4243 777', 'gone'],
    ['one of an earlier boot', 'boot-two pid:[1] 4242 777', 'gone'],
    ['one of another container, which cannot be seen from here', 'boot-one pid:[2] 4243 777', 'unknown'],
    ['what is no name', '../../etc', 'unknown'],
    ['a name with a path for a pid', 'boot-one pid:[1] ../4242 1', 'unknown'],
  ])('%s', (_, name, life) => {
    expect(procWith().look(name)).toBe(life);
  });

  test('a process that has ended and waits for its parent is gone', () => {
    expect(procWith('Z').look('boot-one pid:[1] 4242 777')).toBe('gone');
  });

  test('a process may call itself anything', () => {
    expect(procWith('S', 'a) Z 1 (b').look('boot-one pid:[1] 4242 777')).toBe('alive');
  });

  test('without /proc there are no names, and nobody can be judged', () => {
    procWith();
    const none = openProcesses(join(proc, 'nothing'));
    expect(none.own).toBeUndefined();
    expect(none.look('boot-one pid:[1] 4243 777')).toBe('unknown');
  });
});
