/**
 * Whether a name is that of a model on a hub: `org/name`, `hf-hub:org/name` or the address of its page. A relative path such as `models/clip` looks
 * the same: ask only where no model was found.
 */
export function looksLikeHubName(name: string): boolean {
  return /^((hf-hub|hf):\S+|(https:\/\/huggingface\.co\/)?\w[\w.-]*\/\w[\w.-]*)$/.test(name);
}
