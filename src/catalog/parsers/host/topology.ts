import { outputLines } from '../../output-lines.ts';

export interface Topology {
  readonly cpus: number | undefined;
  readonly cores: number | undefined;
  readonly sockets: number | undefined;
  readonly nodes: number | undefined;
}

/** How many there are of each, from lscpu --parse=CPU,CORE,SOCKET,NODE (lscpu(1)); absent where it says nothing. */
export const topologyOf = (text: string | undefined): Topology => {
  const rows = outputLines(text ?? '')
    .filter((line) => /^[0-9]/u.test(line))
    .map((line) => line.trim().split(','));
  const different = (column: number): number | undefined => {
    const found = new Set(rows.map((cells) => cells[column] ?? '').filter((cell) => cell !== ''));
    return found.size === 0 ? undefined : found.size;
  };
  return { cpus: different(0), cores: different(1), sockets: different(2), nodes: different(3) };
};
