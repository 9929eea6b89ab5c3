// A database that cannot be written: another program holds SQLite's write lock.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const HOLD = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
`;

/** Holds the write lock of the server's database; returns a function that releases it. */
export async function holdWriteLock(server) {
  const child = spawn('python3', ['-c', HOLD, join(server.dir, 'earshot.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => ['nothing: it ended'])]);
  if (!`${said}`.includes('held')) throw new Error(`the lock was not taken: ${said}`);
  return async () => {
    child.stdin.end();
    await once(child, 'exit');
  };
}
