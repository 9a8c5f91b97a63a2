import { refuseMethod, withPicture } from '../service';

export const POST = (request) => withPicture(request, (embedding) => ({ embedding: [...embedding] }));

export { refuseMethod as DELETE, refuseMethod as GET, refuseMethod as PATCH, refuseMethod as PUT };
