import { readFileSync } from 'node:fs';
import { Client, type ClientChannel } from 'ssh2';
import type { Account, Field } from './field.ts';

const CONNECTIONS = 4;
/** At once on a connection: sshd frees a session late, so that its limit of ten is reached long before ten. */
const PARALLEL = 2;

export interface Answer {
  readonly line: string;
  readonly exit: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const connect = async (field: Field, account: Account): Promise<Client> => {
  const client = new Client();
  const ready = new Promise<void>((resolve, reject) => client.on('ready', resolve).on('error', reject));
  client.connect({
    host: field.host.address,
    username: account,
    privateKey: readFileSync(account === 'mcp-reader' ? field.keys.reader : field.keys.runner),
  });
  await ready;
  client.setNoDelay(true);
  return client;
};

const ask = (client: Client, line: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    client.exec(line, (error: Error | undefined, stream: ClientChannel) => {
      if (error !== undefined) return reject(error);
      let [stdout, stderr] = ['', ''];
      let exit: number | undefined;
      stream.on('data', (data: Buffer) => (stdout += data.toString()));
      stream.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
      stream.on('exit', (code: number) => (exit = code));
      stream.on('close', () => resolve({ line, exit, stdout, stderr }));
      stream.end();
    });
  });

/** Sends many lines with an account's key through the real sshd, over a few connections; answers in no particular order. */
export const askAll = async (
  field: Field,
  account: Account,
  lines: readonly string[],
): Promise<readonly Answer[]> => {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(field, account)));
  const answers: Answer[] = [];
  let next = 0;
  const worker = async (client: Client): Promise<void> => {
    for (let line = lines[next++]; line !== undefined; line = lines[next++])
      answers.push(await ask(client, line));
  };
  try {
    await Promise.all(clients.flatMap((client) => Array.from({ length: PARALLEL }, () => worker(client))));
  } finally {
    for (const client of clients) client.end();
  }
  return answers;
};
