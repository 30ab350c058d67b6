import { entry } from '../entry.js';

entry('/sessions', 'You are not logged in.', '/signup.html');
