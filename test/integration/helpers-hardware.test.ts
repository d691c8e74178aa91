import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const HELPER = resolve(import.meta.dirname, '../../target-scripts/helpers/temperatures');
const root = mkdtempSync(join(tmpdir(), 'mcp-pra-sensors-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const run = (...args: readonly string[]) => spawnSync(HELPER, args, { encoding: 'utf8', env: {} });

describe('temperatures', () => {
  test('takes one absolute path', () => {
    for (const args of [[], ['relative'], ['/tmp', '/tmp'], [''], ['/a b'], ['/tmp\n']])
      expect(run(...args).status).toBe(64);
  });

  test('a host without sensors has none', () => {
    expect(run(root)).toMatchObject({ status: 127, stdout: '' });
  });

  test('reads the files of its names through the link of the kernel, and no other', () => {
    put('devices/nvme0/hwmon3/name', 'nvme\n');
    put('devices/nvme0/hwmon3/temp1_input', '38850\n');
    put('devices/nvme0/hwmon3/temp1_label', 'Compo\u0007site\nmore\n');
    put('devices/nvme0/hwmon3/temp1_offset', '1\n');
    put('devices/nvme0/hwmon3/in0_input', '1\n');
    put('devices/nvme0/hwmon3/serial', 'S3CRET\n');
    put('secret', 'S3CRET\n');
    symlinkSync(join(root, 'secret'), join(root, 'devices/nvme0/hwmon3/temp2_label'));
    mkdirSync(join(root, 'hwmon'));
    symlinkSync(join(root, 'devices/nvme0/hwmon3'), join(root, 'hwmon/hwmon3'));
    symlinkSync(join(root, 'devices/nvme0/hwmon3'), join(root, 'hwmon/elsewhere'));
    put('thermal/thermal_zone0/temp', `${'9'.repeat(200)}\n`);
    put('thermal/cooling_device0/type', 'Fan\n');
    const { status, stdout } = run(root);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toEqual([
      `${root}/hwmon/hwmon3/name:nvme`,
      `${root}/hwmon/hwmon3/temp1_input:38850`,
      `${root}/hwmon/hwmon3/temp1_label:Compo?site`,
      `${root}/thermal/thermal_zone0/temp:${'9'.repeat(64)}`,
      '',
    ]);
  });

  test('reads 64 characters of a file, and 2,000 files', () => {
    const many = join(root, 'many');
    put('many/hwmon/hwmon0/temp1_input', '7'.repeat(64));
    expect(run(many).stdout).toBe(`${many}/hwmon/hwmon0/temp1_input:${'7'.repeat(64)}\n`);
    put('many/hwmon/hwmon0/temp1_input', '7'.repeat(65));
    expect(run(many).stdout).toBe(`${many}/hwmon/hwmon0/temp1_input:${'7'.repeat(64)}\n`);
    const lines = (): number => run(many).stdout.split('\n').length - 1;
    for (const kind of ['input', 'max'])
      for (let sensor = 1; sensor < 1_000; sensor += 1)
        put(`many/hwmon/hwmon0/temp${String(sensor)}_${kind}`, '1\n');
    for (const sensor of [1, 2]) put(`many/hwmon/hwmon0/temp${String(sensor)}_crit`, '1\n');
    expect(lines()).toBe(2_000);
    put('many/hwmon/hwmon0/name', 'chip\n');
    expect(lines()).toBe(2_000);
  });
});
