/** Sentences of the commands that stop, lift and take back; a part of cli-en.ts, of the same form. */
export const stopEn = {
  'undo.reason': 'Takes back the run {id}.',
  'cancel.what': 'Stop {action} {args} on {host}, now and in the middle.',
  'cancel.waiting': 'waiting for {host} to say how the run ended',
} as const;
