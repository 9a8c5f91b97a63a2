// tsc writes the command without its executable bit, and npx in a clone runs the file itself.
import { chmodSync } from 'node:fs';

chmodSync('dist/cli/main.js', 0o755);
