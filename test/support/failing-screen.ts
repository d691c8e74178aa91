import process from 'node:process';
import { LiveScreen } from '../../src/cli/watch/live-screen.ts';

// A program that holds the terminal, fails when a key is pressed, and has no manners of its own.
const screen = new LiveScreen(process);
screen.open();
screen.draw(['ready']);
screen.onWake(() => {
  throw new Error('nobody expected this');
});
