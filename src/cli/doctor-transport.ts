import type { Config } from '../config.ts';
import type { DoctorPorts } from './doctor-ports.ts';
import { check, type Finding } from './finding.ts';
import { say } from './say.ts';

/** Hosts named in one line; the rest are counted. */
const NAMED = 12;

const named = (hosts: readonly string[]): string =>
  [...hosts.slice(0, NAMED), ...(hosts.length > NAMED ? [`+${hosts.length - NAMED}`] : [])].join(', ');

/** Which program connects to which host, whether the system's ssh can, and whether a certificate can be made now. */
export const checkTransports = async (config: Config, ports: DoctorPorts): Promise<readonly Finding[]> => {
  const using = (transport: 'ssh2' | 'openssh'): readonly string[] =>
    config.hosts.filter((host) => host.transport === transport).map(({ name }) => name);
  const openssh = using('openssh');
  const certified = config.hosts.filter(({ certificate }) => certificate).map(({ name }) => name);
  const lines = (['ssh2', 'openssh'] as const)
    .filter((transport) => using(transport).length > 0)
    .map((transport): Finding => ({
      level: 'ok',
      text: say('doctor.transport', { transport, hosts: named(using(transport)) }),
    }));
  return [
    ...lines,
    ...(openssh.length === 0 ? [] : await checkClient(ports)),
    ...(certified[0] === undefined ? [] : await checkCertificate(certified[0], ports)),
  ];
};

const checkClient = async (ports: DoctorPorts): Promise<readonly Finding[]> => {
  let postQuantum = true;
  const found = await check(async () => {
    const client = await ports.opensshClient();
    postQuantum = client.postQuantum;
    return say('doctor.ssh', { version: client.version });
  });
  if (postQuantum) return found;
  return [...found, { level: 'warn', text: say('doctor.ssh_kex'), fix: say('doctor.ssh_kex_fix') }];
};

const checkCertificate = (host: string, ports: DoctorPorts): Promise<readonly Finding[]> =>
  check(async () => say('doctor.certificate', { ...(await ports.certificate(host)) }));
