/**
 * The ten one-byte encodings that UTF-8 is most often misread as, in the order in which they are tried (ftfy's
 * `chardata.CHARMAP_ENCODINGS`). `TextDecoder` cannot be used: runtimes differ in the legacy encodings they have,
 * and none of them encodes.
 *
 * "Sloppy" is ftfy's word for a Windows code page whose unassigned bytes pass through as in Latin-1; in these, byte
 * 0x1A stands for U+FFFD, which a stricter decoder wrote where it lost a byte.
 */

/** Bytes 0x80..0xFF. */
const WINDOWS_1252 =
  '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ' +
  '\u00a0¡¢£¤¥¦§¨©ª«¬\u00ad®¯°±²³´µ¶·¸¹º»¼½¾¿' +
  'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß' +
  'àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ';

/** Bytes 0x80..0xFF. */
const WINDOWS_1251 =
  'ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u0098™љ›њќћџ' +
  '\u00a0ЎўЈ¤Ґ¦§Ё©Є«¬\u00ad®Ї°±Ііґµ¶·ё№є»јЅѕї' +
  'АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ' +
  'абвгдежзийклмнопрстуфхцчшщъыьэюя';

/** Bytes 0x80..0xFF. */
const WINDOWS_1250 =
  '€\u0081‚\u0083„…†‡\u0088‰Š‹ŚŤŽŹ\u0090‘’“”•–—\u0098™š›śťžź' +
  '\u00a0ˇ˘Ł¤Ą¦§¨©Ş«¬\u00ad®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż' +
  'ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß' +
  'ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙';

/** Bytes 0x80..0xFF. */
const WINDOWS_1253 =
  '€\u0081‚ƒ„…†‡\u0088‰\u008a‹\u008c\u008d\u008e\u008f\u0090‘’“”•–—\u0098™\u009a›\u009c\u009d\u009e\u009f' +
  '\u00a0΅Ά£¤¥¦§¨©ª«¬\u00ad®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ' +
  'ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήί' +
  'ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ';

/** Bytes 0x80..0xFF. */
const WINDOWS_1254 =
  '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008d\u008e\u008f\u0090‘’“”•–—˜™š›œ\u009d\u009eŸ' +
  '\u00a0¡¢£¤¥¦§¨©ª«¬\u00ad®¯°±²³´µ¶·¸¹º»¼½¾¿' +
  'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß' +
  'àáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ';

/** Bytes 0x80..0xFF. */
const WINDOWS_1257 =
  '€\u0081‚\u0083„…†‡\u0088‰\u008a‹\u008c¨ˇ¸\u0090‘’“”•–—\u0098™\u009a›\u009c¯˛\u009f' +
  '\u00a0¡¢£¤¥¦§Ø©Ŗ«¬\u00ad®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ' +
  'ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß' +
  'ąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙';

/** Bytes 0x80..0xFF. */
const ISO_8859_2 =
  '\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e\u009f' +
  '\u00a0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u00adŽŻ°ą˛ł´ľśˇ¸šşťź˝žż' +
  'ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß' +
  'ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙';

/** Bytes 0x80..0xFF. */
const MAC_ROMAN =
  'ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü' +
  '†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø' +
  '¿¡¬√ƒ≈∆«»…\u00a0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ' +
  '‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ';

/** Bytes 0x80..0xFF. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ' +
  'áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

/** Bytes 0x80..0xFF of Latin-1 are U+0080..U+00FF. */
const LATIN_1 = Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join('');

export class Charmap {
  readonly sloppy: boolean;
  /** Character of each byte 0x80..0xFF. */
  readonly upperHalf: string;
  private byteOf: Map<string, string> | undefined;

  constructor(upperHalf: string, sloppy: boolean) {
    this.upperHalf = upperHalf;
    this.sloppy = sloppy;
  }

  /** The bytes of `text` as a string of U+0000..U+00FF, or undefined if a character has no byte here. */
  encode(text: string): string | undefined {
    this.byteOf ??= new Map([...this.upperHalf].map((char, i) => [char, String.fromCharCode(128 + i)]));
    let bytes = '';
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x80 && (code !== 0x1a || !this.sloppy)) {
        bytes += text[i];
      } else if (code === 0xfffd && this.sloppy) {
        bytes += '\u001a';
      } else {
        const byte = this.byteOf.get(text[i]);
        if (byte === undefined) return undefined;
        bytes += byte;
      }
    }
    return bytes;
  }
}

export const latin1 = new Charmap(LATIN_1, false);
export const windows1252 = new Charmap(WINDOWS_1252, true);

export const charmaps: readonly Charmap[] = [
  latin1,
  windows1252,
  new Charmap(WINDOWS_1251, true),
  new Charmap(WINDOWS_1250, true),
  new Charmap(WINDOWS_1253, true),
  new Charmap(WINDOWS_1254, true),
  new Charmap(WINDOWS_1257, true),
  new Charmap(ISO_8859_2, false),
  new Charmap(MAC_ROMAN, false),
  new Charmap(CP437, false),
];

/** MacRoman's en dash (0xD0) before a space looks like half of a UTF-8 sequence, so ftfy leaves its spaces alone. */
export const macRoman = charmaps[8];
