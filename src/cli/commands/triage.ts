import type { Command } from 'commander';
import { runTriage } from '../../request/triage.ts';
import { chosenHosts, takesHosts, type HostOptions } from '../chosen-hosts.ts';
import type { CliContext } from '../cli-context.ts';
import { exitOfTriage } from '../exit-of.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { triagePage } from '../triage-page.ts';

interface Options extends HostOptions {
  readonly full?: boolean;
}

/** `mcp-pra triage`: what explains a symptom on some hosts; alone the symptoms. */
export const addTriage = (program: Command, cli: Cli): void => {
  const command = takesHosts(
    cli
      .command(program, 'triage', 'ask all diagnostics that matter for a symptom; alone: the symptoms')
      .argument('[symptom]', 'what people complain about'),
  ).option('--full', 'tables as long and as wide as they are');
  command.action((symptom: string | undefined, options: Options) =>
    cli.run(command, async (context) => {
      if (symptom === undefined) {
        await showSymptoms(context);
        return 0;
      }
      const hosts = chosenHosts(context, options);
      const { desk } = await context.app();
      const total = desk.catalog.triages.get(symptom)?.ask.length ?? 0;
      const report = await withProgress(context.io, say('progress.triage', { total, done: 0 }), (progress) =>
        runTriage(
          desk,
          context.caller(),
          { symptom, hosts },
          {
            signal: context.signal,
            onProgress: (done, all) => progress.update(say('progress.triage', { total: all, done })),
          },
        ),
      );
      context.show(report, (page) => triagePage(page, report, options.full === true));
      return exitOfTriage(report);
    }),
  );
};

const showSymptoms = async (context: CliContext): Promise<void> => {
  const { triages } = await context.parts.loadCatalog(context.config().catalog);
  const symptoms = [...triages.values()].map(({ symptom, title }) => ({ symptom, title }));
  context.show(symptoms, (page) => {
    if (symptoms.length === 0) page.line(say('triage.no_symptoms'));
    else page.table(symptoms.map(({ symptom, title }) => [symptom, title]));
  });
};
