import type { Attack } from '../attack.ts';
import type { Field } from '../field.ts';

// Records that nobody of the product wrote. A tag is what the sender says; journald takes user and program from the kernel.

let number = 0;

/** Logs WORDS by some means, waits until rsyslog has come to them, and says whether they are in the file of `program`. */
const forged = (id: string, what: string, program: string, forge: string): Attack => ({
  id: `log-forged-${id}`,
  what: `a record of ${program} ${what}`,
  layer: 'logs',
  attack: async (field: Field) => {
    number += 1;
    const words = `v=1 verdict=ok code=- verb=forged from=- number=${String(number)}.`;
    const mark = `mark ${String(process.pid)} ${String(number)}.`;
    await field.stage(forge.replaceAll('WORDS', words));
    // Through the same input, later: what came before it has been dealt with when it is there.
    await field.stage(
      `runuser -u admin -- logger -t pra-run '${mark}'; timeout 30 /bin/sh -c 'until grep -qsF "${mark}" /var/log/syslog /var/log/user.log /var/log/pra-run.log; do sleep 0.05; done'`,
    );
    const count = await field.stage(`grep -cF '${words}' /var/log/${program}.log || :`);
    return count.trim() === '0' ? 'NOT THERE' : 'FORGED';
  },
  stopped: /NOT THERE/u,
  through: /FORGED/u,
  without: [{ off: 'logs: by tag', so: 'through' }],
});

export const logs: readonly Attack[] = [
  forged(
    'tag',
    'by an account that says its tag',
    'mcp-wrapper',
    "runuser -u admin -- logger -t mcp-wrapper 'WORDS'",
  ),
  forged(
    'pid',
    'by its tag with a number',
    'pra-exec',
    "runuser -u admin -- logger -t 'pra-exec[7]' 'WORDS'",
  ),
  forged('reader', 'by mcp-reader', 'pra-run', "runuser -u mcp-reader -- logger -t pra-run 'WORDS'"),
  forged('runner', 'by pra-runner', 'mcp-wrapper', "runuser -u pra-runner -- logger -t mcp-wrapper 'WORDS'"),
  forged(
    'native',
    'by a sender who says that it was root',
    'pra-run',
    `runuser -u admin -- /usr/bin/python3 -c 'from systemd import journal; journal.send("WORDS", SYSLOG_IDENTIFIER="pra-run", _UID="0", _EXE="/usr/bin/python3")'`,
  ),
  forged(
    'stdout',
    'by the standard output of a service',
    'pra-run',
    "runuser -u admin -- systemd-cat -t pra-run echo 'WORDS'",
  ),
];
