// What the simulator really holds, from its admin listener. Bypasses hosts.mjs.
import { get, request } from 'node:http';

const read = (answer) =>
  new Promise((done, failed) => {
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', (piece) => (text += piece));
    answer.on('end', () => done(JSON.parse(text)));
    answer.on('error', failed);
  });

export const truth = () =>
  new Promise((done, failed) => {
    get(`${process.env.SIM_ADMIN_URL}/truth`, (answer) => read(answer).then(done, failed)).on('error', failed);
  });

export const post = (path, body) =>
  new Promise((done, failed) => {
    const sent = request(`${process.env.SIM_ADMIN_URL}${path}`, { method: 'POST' }, (answer) =>
      read(answer).then(done, failed),
    );
    sent.on('error', failed);
    sent.end(JSON.stringify(body));
  });
