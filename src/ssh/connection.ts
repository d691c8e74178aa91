import type { Client } from 'ssh2';
import type { Clock } from '../request/ports.ts';
import { execOn, type ExecOutcome, type ExecRequest } from './exec.ts';
import type { SshLimits, SshLog } from './limits.ts';
import { PooledConnection } from './pooled-connection.ts';

/** One authenticated connection of ssh2. */
export class Connection extends PooledConnection {
  readonly client: Client;

  constructor(client: Client, limits: SshLimits, clock: Clock, log: SshLog | undefined) {
    super(limits, clock);
    this.client = client;
    client.on('error', (error) => {
      this.died();
      log?.debug({ error: error.message }, 'ssh connection error');
    });
    client.on('end', () => this.died());
    client.on('close', () => this.gone());
  }

  exec(request: ExecRequest, signal: AbortSignal, freed: (busy: boolean) => void): Promise<ExecOutcome> {
    return execOn(this.client, () => this.alive, request, signal, freed);
  }

  protected hangUp(): void {
    this.client.end();
  }

  protected destroy(): void {
    this.client.destroy();
  }
}
