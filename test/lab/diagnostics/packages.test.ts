import { afterAll, beforeAll, expect, test } from 'vitest';
import { lookingLab, type LookingLab } from './looking.ts';
import { genuine } from './proof.ts';

/** Two archives of the lab's own, one for security; version 1.0 of three packages is installed, one of them held; both archives have 1.1. */
const ARCHIVES = `
export LC_ALL=C; umask 022
build() { d=/root/build/$1-$2; mkdir -p "$d/DEBIAN" "$d/usr/share/$1" "$d/etc" "$3"
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: Lab <lab@example.org>\\nDescription: for the lab\\n' "$1" "$2" >"$d/DEBIAN/control"
  printf '/etc/%s.conf\\n' "$1" >"$d/DEBIAN/conffiles"; echo "$2" >"$d/usr/share/$1/data"; echo more >"$d/usr/share/$1/more"; echo "$2" >"$d/etc/$1.conf"
  dpkg-deb --root-owner-group --build "$d" "$3/$1_$2.deb" >/dev/null; }
index() { cd "$1"; for deb in *.deb; do dpkg-deb --field "$deb"; printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"; done >Packages
  printf 'Origin: Debian\\nLabel: %s\\nSuite: %s\\nVersion: 12\\nDate: Sun, 22 Nov 2026 00:00:00 UTC\\nSHA256:\\n %s %s Packages\\n' "$2" "$3" "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" >Release; }
for name in lab-plain lab-secure lab-held; do build "$name" 1.0 /root/old; done
dpkg --install /root/old/*.deb >/dev/null
build lab-plain 1.1 /srv/plain; build lab-held 1.1 /srv/plain; build lab-secure 1.1 /srv/secure
index /srv/plain Debian stable; index /srv/secure Debian-Security stable-security
printf 'deb [trusted=yes] file:/srv/plain ./\\ndeb [trusted=yes] file:/srv/secure ./\\n' >/etc/apt/sources.list
apt-get --quiet update
apt-mark hold lab-held
`;

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab();
  await on.host.sh(ARCHIVES);
});

afterAll(async () => {
  await on?.lab.down();
});

test(genuine('pending_updates', 'one update, one for security, one that is held'), async () => {
  const { facts } = await on.capture('pending_updates', 'three', 'one of each: plain, security, held');
  expect(facts).toMatchObject({ count: 2, security: 1, kept_back: 1, kept_back_packages: 'lab-held' });
  expect(facts['updates']).toEqual([
    {
      package: 'lab-secure',
      from: '1.0',
      to: '1.1',
      security: true,
      origin: 'Debian-Security:12/stable-security',
    },
    { package: 'lab-plain', from: '1.0', to: '1.1', security: false, origin: 'Debian:12/stable' },
  ]);
  expect(facts['lists_age_seconds']).toBeLessThan(600);
});

test(genuine('package_holds', 'a package that is held'), async () => {
  const { facts } = await on.capture('package_holds', 'one', 'one package is held');
  expect(facts).toEqual({ count: 1, packages: [{ line: 'lab-held' }] });
});

test(genuine('package_version', 'installed, held, unknown, and no name'), async () => {
  const plain = await on.capture('package_version', 'upgradable', 'a newer one is in an archive', {
    package: 'lab-plain',
  });
  expect(plain.facts).toMatchObject({
    installed: true,
    version: '1.0',
    candidate: '1.1',
    upgradable: true,
    held: false,
  });
  const held = await on.look('package_version', { package: 'lab-held' });
  expect(held.facts).toMatchObject({ installed: true, held: true });
  for (const name of ['no-such-package', '--help', 'lab*', 'a b; reboot', 'LAB-PLAIN']) {
    expect((await on.look('package_version', { package: name })).facts['installed']).toBe(false);
  }
});

test(genuine('packages_changed', 'what was just installed, upgraded and removed'), async () => {
  await on.host.sh('apt-get --quiet --yes install lab-plain >/dev/null; dpkg --purge lab-secure >/dev/null');
  const { facts } = await on.capture(
    'packages_changed',
    'three',
    'three installed, one upgraded, one purged',
    {
      since: '1h',
    },
  );
  const changes = facts['changes'] as readonly Readonly<Record<string, string>>[];
  const about = (name: string) => changes.filter((row) => row['package'] === `${name}:all`);
  expect(about('lab-plain').map(({ what, from, to }) => [what, from, to])).toEqual([
    ['upgrade', '1.0', '1.1'],
    ['install', undefined, '1.0'],
  ]);
  expect(about('lab-secure').map(({ what }) => what)).toContain('purge');
  expect(Date.parse(changes[0]?.['at'] ?? '')).toBeGreaterThan(Date.now() - 600_000);
  // The log is in the time of the host, whatever that is.
  await on.host.sh(
    'ln -sf /usr/share/zoneinfo/Asia/Tokyo /etc/localtime; TZ=Asia/Tokyo dpkg --purge lab-held >/dev/null',
  );
  const tokyo = await on.look('packages_changed', { since: '1h' });
  const [last] = tokyo.facts['changes'] as readonly Readonly<Record<string, string>>[];
  expect(last).toMatchObject({ package: 'lab-held:all' });
  expect(Math.abs(Date.parse(last?.['at'] ?? '') - Date.now())).toBeLessThan(600_000);
  await on.host.sh('rm /etc/localtime');
});

test(
  genuine('package_integrity', 'a file that was changed, one that is gone, an own configuration'),
  async () => {
    const sound = await on.capture('package_integrity', 'sound', 'as it was shipped', {
      package: 'lab-plain',
    });
    expect(sound.facts).toMatchObject({ installed: true, complete: true, changed: 0, missing: 0, files: [] });
    await on.host.sh(
      'echo x >/usr/share/lab-plain/data; rm /usr/share/lab-plain/more; echo mine >/etc/lab-plain.conf',
    );
    const { facts } = await on.capture('package_integrity', 'changed', 'changed, missing, configured', {
      package: 'lab-plain',
    });
    expect(facts).toMatchObject({ changed: 1, missing: 1, changed_config: 1, unreadable: 0 });
    expect(facts['files']).toContainEqual({
      path: '/usr/share/lab-plain/data',
      what: 'changed',
      config: false,
    });
    expect((await on.look('package_integrity', { package: 'nothing' })).facts).toMatchObject({
      installed: false,
    });
  },
);

test('without apt and dpkg nothing is present', async () => {
  const programs = 'apt-get apt-mark dpkg-query dpkg'.split(' ');
  await on.host.sh(programs.map((name) => `mv /usr/bin/${name} /usr/bin/${name}.away`).join('; '));
  try {
    for (const [diagnostic, args] of [
      ['pending_updates', {}],
      ['package_holds', {}],
      ['package_version', { package: 'bash' }],
      ['package_integrity', { package: 'bash' }],
    ] as const) {
      expect([diagnostic, (await on.look(diagnostic, args)).status]).toEqual([diagnostic, 'not_present']);
    }
  } finally {
    await on.host.sh(programs.map((name) => `mv /usr/bin/${name}.away /usr/bin/${name}`).join('; '));
  }
});
