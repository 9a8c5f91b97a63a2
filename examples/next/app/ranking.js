'use client';
import { useState } from 'react';

const percent = (score) => `${(100 * score).toFixed(1)} %`;

/** A picture and labels, sent to the route; its answer as bars, best first. */
export default function Ranking() {
  const [answer, setAnswer] = useState({});
  const [busy, setBusy] = useState(false);

  async function send(event) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const labels = form.get('labels').split('\n').map((label) => label.trim()).filter(Boolean);
    const query = new URLSearchParams(labels.map((label) => ['label', label]));
    setBusy(true);
    try {
      const response = await fetch(`/api/classify?${query}`, { method: 'POST', body: form.get('picture') });
      setAnswer(await response.json());
    } catch {
      setAnswer({ message: 'the server did not answer: try again' });
    }
    setBusy(false);
  }

  return (
    <form onSubmit={send}>
      <p><label>Picture <input name="picture" type="file" accept="image/jpeg,image/png,image/webp" required /></label></p>
      <p><label>Labels, one on each line<br /><textarea name="labels" rows="6" cols="30" defaultValue={'cat\ndog\nrocket'} /></label></p>
      <button disabled={busy}>Rank</button>
      {answer.message && <p role="alert">{answer.message}</p>}
      <ol aria-live="polite">
        {answer.labels?.map(({ label, score }) => (
          <li key={label}>
            {label}, {percent(score)}
            <div style={{ width: `${100 * score}%`, height: '0.5rem', background: 'royalblue' }} />
          </li>
        ))}
      </ol>
    </form>
  );
}
