export const read = async (file) => new Uint8Array(await (await fetch(`/${file}`)).arrayBuffer());

/** Posts the answer, or the error, to where the page's address says. */
export async function post(answer) {
  const body = JSON.stringify(await answer.catch((error) => `${error.stack ?? error}`));
  const to = new URL(location.href).searchParams.get('to') ?? '/results';
  await fetch(to, { method: 'POST', mode: 'no-cors', body });
}
