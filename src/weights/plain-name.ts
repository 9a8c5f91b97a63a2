/** Names of tensors without what training tools put before them. */

/**
 * A name without wrappers: training in parallel puts `module.` before every name (torch's DataParallel), compiling
 * `_orig_mod.`, Lightning `model.`, TinyCLIP's code the name of each part, and OpenCLIP's CustomTextCLIP keeps the text tower under
 * `text.`.
 */
export const plainName = (name: string) =>
  name.replace(/^((module|_orig_mod|model|_image_encoder|_text_encoder|_logit_scale)\.)+/, '').replace(/^text\./, '');

/** Whether a tensor is the image tower's; all others are the text tower's. */
export const isOfImageTower = (name: string): boolean =>
  /^(visual|vision_model|visual_projection)\./.test(plainName(name));
