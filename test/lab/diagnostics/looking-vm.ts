import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { checkArgs } from '../../../src/catalog/params.ts';
import type { Answer } from '../../../src/catalog/wire.ts';
import { labUp, type Lab, type LabHost } from '../lab.ts';
import { asLooked, keep, type Args, type Looked } from './looking.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** As mcp-wrapper gives it to every command (docs/wire-protocol.md §2). */
const ENVIRONMENT =
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/ TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_PAGER= PAGER=cat'.split(
    ' ',
  );
const READER = '--reuid=mcp-reader --regid=mcp-reader --init-groups --no-new-privs'.split(' ');

/** Reads an archive of helpers, collectors and what these import, and puts it where the role does, with the same names in it. */
const INSTALL = `
useradd --system --groups systemd-journal --shell /usr/sbin/nologin mcp-reader
mkdir -p /usr/local/lib/mcp-pra /run/mcp-pra/facts
cd /usr/local/lib/mcp-pra
tar --no-same-owner -xf -
cp collectors/units/mcp-pra-collect-*.service /etc/systemd/system/
sed -i 's,@LIB@,/usr/local/lib/mcp-pra,g; s,@RUN@,/run/mcp-pra,g; s,@ETC@,/etc/mcp-pra,g; s,@READER_USER@,mcp-reader,g' \\
  helpers/* $(find collectors -maxdepth 1 -type f) collecting/* /etc/systemd/system/mcp-pra-collect-*.service
chgrp mcp-reader /run/mcp-pra/facts
systemctl daemon-reload
`;

export interface LookingVm {
  readonly lab: Lab;
  readonly host: LabHost;
  look(diagnostic: string, args?: Args): Promise<Looked>;
  /** As LookingLab.capture. */
  capture(diagnostic: string, name: string, about: string, args?: Args): Promise<Looked>;
}

/**
 * A machine with a kernel of its own, for what a container cannot show: a kernel log, memory that runs out, block devices. It is no
 * target: an emulated processor would take minutes for that. The commands of a diagnostic run there as they would for a reader, with
 * its groups, environment and without new privileges, but not through sshd and mcp-wrapper; collectors in their units, when a test starts them.
 */
export const lookingVm = async (): Promise<LookingVm> => {
  const catalog = loadCatalog([join(ROOT, 'catalog')], { targetScripts: join(ROOT, 'target-scripts') });
  const lab = await labUp({ hosts: 0, vm: true });
  const [host] = lab.hosts as [LabHost];
  try {
    const folder = join(ROOT, 'target-scripts');
    const pack = execFileSync('tar', ['-C', folder, '-cf', '-', 'helpers', 'collectors', 'collecting']);
    await host.sh(INSTALL, { input: pack });
  } catch (error) {
    await lab.down();
    throw error;
  }
  const diagnosticOf = (name: string) => {
    const diagnostic = catalog.diagnostics.get(name);
    if (diagnostic === undefined) throw new Error(`there is no diagnostic ${name}`);
    return diagnostic;
  };

  const look: LookingVm['look'] = async (name, args = {}) => {
    const diagnostic = diagnosticOf(name);
    const values = checkArgs(diagnostic, args) as ReadonlyMap<string, string>;
    const sections: Answer['sections'][number][] = [];
    for (const { section, argv } of diagnostic.run) {
      const command = argv.map((token) =>
        token.replace(/\{([a-z][a-z0-9_]*)\}$/u, (_, param: string) => values.get(param) ?? ''),
      );
      const seconds = String(diagnostic.limits.seconds);
      const asReader = ['setpriv', ...READER, '--', 'env', '-i', ...ENVIRONMENT, 'timeout', seconds];
      const { code, stdout } = await host.run([...asReader, ...command]);
      sections.push({ name: section, output: Buffer.from(stdout), rc: code, ms: 1, cut: false });
    }
    return asLooked(diagnostic, { sections });
  };

  const capture: LookingVm['capture'] = async (diagnostic, name, about, args = {}) => {
    const looked = await look(diagnostic, args);
    await keep(catalog, diagnosticOf(diagnostic), host, looked, { name, about });
    return looked;
  };

  return { lab, host, look, capture };
};
