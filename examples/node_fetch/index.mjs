#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { configFrom } from './config.mjs';
import { make } from './job.mjs';
import { Kling } from './kling.mjs';

const USAGE = 'usage: node index.mjs VIDEO_URL TEXT [-o OUT.mp4] [--voice ID] [--language en|zh]';

function argumentsOf() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o', default: 'talking-head.mp4' },
      voice: { type: 'string', default: 'oversea_male1' },
      language: { type: 'string', default: 'en' },
    },
  });
  if (positionals.length !== 2) throw new Error(USAGE);
  const [videoUrl, text] = positionals;
  return { videoUrl, text, ...values };
}

try {
  const config = configFrom(process.env);
  const order = { ...argumentsOf(), pollMs: config.pollMs };
  const say = (line) => console.log(line);
  const taskId = await make(new Kling(config, say), order, say);
  say(`task ${taskId} succeeded`);
} catch (error) {
  console.error(`error: ${error.message.replace(/\s+/g, ' ')}`);
  process.exitCode = 1;
}
