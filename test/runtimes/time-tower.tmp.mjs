import { loadClip } from '../../dist/index.js';
const N=224; const data=new Uint8Array(N*N*3); for(let i=0;i<data.length;i++)data[i]=(i*7+(i>>3)*13)&255;
const clip=await loadClip('/tmp/b32',{towers:['image'],precision:process.argv[2]||'int8'});
const t=[];for(let i=0;i<22;i++){const s=performance.now();await clip.encodeImage({data,width:N,height:N});t.push(performance.now()-s)} t.splice(0,10); t.sort((a,b)=>a-b);
console.log('min',t[0].toFixed(1),'median',t[6].toFixed(1), JSON.stringify(clip.info().memory));
