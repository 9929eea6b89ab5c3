// A mail server for the program under test: it takes every letter, and tests read them.
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

export class Mailbox {
  /** Starts a mail server; `url` is what EARSHOT_SMTP_URL wants. */
  static async start() {
    const box = new Mailbox();
    box.letters = [];
    box.refuse = undefined;
    box.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      hideSTARTTLS: true,
      disableReverseLookup: true,
      logger: false,
      onRcptTo: (_address, _session, done) => done(box.refuse),
      onData: (stream, session, done) => {
        const parts = [];
        stream.on('data', (part) => parts.push(part));
        stream.on('end', async () => {
          const letter = await PostalMime.parse(Buffer.concat(parts));
          // Where it went, whatever its head says.
          box.letters.push({ ...letter, to: session.envelope.rcptTo.map((r) => r.address) });
          done();
        });
      },
    });
    await new Promise((resolve, reject) => {
      box.server.once('error', reject);
      box.server.listen(0, '127.0.0.1', resolve);
    });
    // A client that hangs up in the middle is no fault of the test.
    box.server.on('error', () => {});
    box.url = `smtp://127.0.0.1:${box.server.server.address().port}`;
    return box;
  }

  /** From now on every letter is refused for good, until `refuseNothing`. */
  refuseAll(text = 'No such mailbox') {
    this.refuse = Object.assign(new Error(text), { responseCode: 550 });
  }

  refuseNothing() {
    this.refuse = undefined;
  }

  /**
   * Waits for a letter to this address whose subject fits, and gives it: `subject`, `text`, `html`, `messageId`, `headers`. It is taken out,
   * so that asking again waits for the next one.
   */
  async letter(to, subject = /./) {
    const end = Date.now() + 90_000;
    while (Date.now() < end) {
      const at = this.letters.findIndex((l) => l.to.includes(to) && subject.test(l.subject));
      if (at >= 0) return this.letters.splice(at, 1)[0];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no letter to ${to} about ${subject}; there are: ${JSON.stringify(this.letters.map((l) => [l.to, l.subject]))}`);
  }

  stop() {
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** The first link in a letter's text that leads below this path. */
export function linkIn(letter, path) {
  const found = letter.text.split(/\s+/).find((word) => URL.canParse(word) && new URL(word).pathname.startsWith(path));
  if (!found) throw new Error(`no link to ${path} in:\n${letter.text}`);
  return found;
}
