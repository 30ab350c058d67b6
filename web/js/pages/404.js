import { showNavigation } from '../session.js';

showNavigation();
