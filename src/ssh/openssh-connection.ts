import type { Clock } from '../request/ports.ts';
import type { ExecOutcome, ExecRequest } from './exec.ts';
import type { SshLimits } from './limits.ts';
import type { RunningMaster } from './openssh-connect.ts';
import { execThroughMaster } from './openssh-exec.ts';
import { PooledConnection } from './pooled-connection.ts';

/** A running master and what belongs to it. */
export interface OpensshMaster extends RunningMaster {
  /** ssh_config of its clients. */
  readonly config: string;
  readonly host: string;
  /** Removes its files. */
  clear(): Promise<void>;
}

/** One authenticated connection of the system's ssh: a master process, and one process for each exec. */
export class OpensshConnection extends PooledConnection {
  readonly master: OpensshMaster;
  readonly #logName: () => string;

  /** `logName` gives each exec a log file of its own. */
  constructor(
    master: OpensshMaster,
    logName: () => string,
    limits: SshLimits,
    clock: Clock,
    maxAgeMs?: number,
  ) {
    super(limits, clock, maxAgeMs);
    this.master = master;
    this.#logName = logName;
    master.process.once('exit', () => this.died());
    void master.ended.then(() => {
      this.died();
      return master.clear().then(() => this.gone());
    });
  }

  exec(request: ExecRequest, signal: AbortSignal, freed: (busy: boolean) => void): Promise<ExecOutcome> {
    return execThroughMaster(this.master, this.#logName(), request, signal, freed);
  }

  protected hangUp(): void {
    this.master.process.kill('SIGTERM');
  }

  protected destroy(): void {
    this.master.process.kill('SIGKILL');
  }
}
