/** The description as a page for people: HTML alone, which loads nothing. */
import { htmlText } from '../html.ts';
import type { Description, Operation } from './openapi.ts';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 56rem; margin: 0 auto; padding: 1.5rem }
h2 { margin-top: 2.5rem } code, pre { font-family: ui-monospace, monospace; font-size: .875rem }
pre { padding: 1rem; overflow: auto; border: 1px solid; border-radius: .5rem }
.method { font-weight: 700; text-transform: uppercase; margin-right: .5rem }`;

/** The page's style as a Content-Security-Policy names it, so that no other is applied. */
export async function styleHash(): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE)));
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}

export function descriptionPage({ info, paths, components }: Description): string {
  const sections = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => section(method, path, operation)),
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `<h3 id="${name}">${name}</h3><pre>${lines(JSON.stringify(schema, null, 2))}</pre>`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${htmlText(info.title)} ${htmlText(info.version)}</title><style>${STYLE}</style></head>
<body>
<main>
<h1>${htmlText(info.title)} <small>${htmlText(info.version)}</small></h1>
<p>${htmlText(info.description)} For programs: <a href="openapi.json">openapi.json</a>.</p>
${sections.join('\n')}
<h2>Schemas</h2>
${schemas.join('\n')}
</main>
</body>
</html>
`;
}

function section(method: string, path: string, { summary, description, requestBody, responses }: Operation): string {
  const bodies = Object.entries(requestBody?.content ?? {}).map(
    ([type, content]) => `<li>${media(type, content)}</li>`,
  );
  const answers = Object.entries(responses).map(([status, answer]) => {
    const { description = '' } = answer as { description?: string };
    return `<li><code>${status}</code> ${htmlText(description)}</li>`;
  });
  return `<section>
<h2><code><span class="method">${method}</span>${htmlText(path)}</code></h2>
<p>${htmlText(summary)}. ${htmlText(description ?? '')}</p>
${bodies.length > 0 ? `<p>Body:</p><ul>${bodies.join('')}</ul>` : ''}
<p>Answers:</p><ul>${answers.join('')}</ul>
</section>`;
}

function media(type: string, content: unknown): string {
  const { $ref } = (content as { schema: { $ref?: string } }).schema;
  const name = $ref?.split('/').at(-1);
  return `<code>${htmlText(type)}</code>${name === undefined ? '' : ` <a href="#${name}">${name}</a>`}`;
}

const lines = (text: string): string => text.split('\n').map(htmlText).join('\n');
