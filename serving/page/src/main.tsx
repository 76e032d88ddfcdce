/** Starts the page: the clock, the live connection, and what is drawn. */

import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import "./style/map.css";
import "./style/views.css";
import { startTicking } from "./clock";
import { fleet } from "./fleet/fleet";
import { Stream } from "./stream/connection";
import "./theme";
import { App } from "./views/app";

startTicking();
void new Stream(fleet).run();
render(<App />, document.body);
