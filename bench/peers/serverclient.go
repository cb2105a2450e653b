package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// client speaks HTTP over one connection that is kept alive. It does as little
// as it can: it shares the processors with what is measured.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	body    bytes.Buffer
	tookAll time.Duration // by exchanges so far
	last    time.Time     // when the last one ended
	port    int
}

// idleLimit is how long a connection may rest before it is made anew: servers
// close those that do.
const idleLimit = time.Second

func (p *process) dial() (*client, error) {
	c := &client{port: p.port}
	return c, c.redial()
}

func (c *client) redial() error {
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(c.port))
	if err != nil {
		return err
	}
	if c.conn != nil {
		c.Close()
	}
	c.conn, c.in, c.last = conn, bufio.NewReaderSize(conn, 64<<10), time.Now()
	return nil
}

// Close closes the connection.
func (c *client) Close() { _ = c.conn.Close() } // nothing is on its way

// api is before the paths of MLflow's API.
const api = "/api/2.0/mlflow/"

// get returns the body of an answer, which is good until the next request.
func (c *client) get(path string) ([]byte, error) { return c.exchange("GET", path, nil) }

// post sends a JSON body.
func (c *client) post(path string, body []byte) ([]byte, error) {
	return c.exchange("POST", api+path, body)
}

// exchangeLimit is how long one answer may take.
const exchangeLimit = 2 * time.Minute

func (c *client) exchange(method, path string, body []byte) ([]byte, error) {
	c.out = append(append(append(append(c.out[:0], method...), ' '), path...), " HTTP/1.1\r\nHost: 127.0.0.1\r\n"...)
	if method != "GET" {
		c.out = append(c.out, "Content-Type: application/json\r\nContent-Length: "...)
		c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n"...)
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	if time.Since(c.last) > idleLimit {
		if err := c.redial(); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	if err := c.conn.SetDeadline(began.Add(exchangeLimit)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	c.body.Reset()
	if n := r.ContentLength; n > 0 {
		c.body.Grow(int(n) + bytes.MinRead)
	}
	_, err = c.body.ReadFrom(r.Body)
	c.last = time.Now()
	c.tookAll += c.last.Sub(began)
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.300s", method, path, r.Status, c.body.Bytes())
	}
	return c.body.Bytes(), r.Body.Close()
}

// call sends a message and reads the answer into to, which may be nil.
func (c *client) call(path string, message, to any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	answer, err := c.post(path, body)
	if err != nil || to == nil {
		return err
	}
	return json.Unmarshal(answer, to)
}

// The messages, as far as they are read.

type wirePair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type wirePoint struct {
	Key   string  `json:"key"`
	Value float64 `json:"value"`
	Time  int64   `json:"timestamp"`
	Step  int64   `json:"step"`
}

type wireRun struct {
	Info struct {
		ID     string `json:"run_id"`
		Name   string `json:"run_name"`
		Status string `json:"status"`
		Start  int64  `json:"start_time"`
	} `json:"info"`
	Data struct {
		Metrics []wirePoint `json:"metrics"`
		Params  []wirePair  `json:"params"`
		Tags    []wirePair  `json:"tags"`
	} `json:"data"`
}

type wirePage struct {
	Runs    []wireRun   `json:"runs"`
	Metrics []wirePoint `json:"metrics"`
	Next    string      `json:"next_page_token"`
}

func (c *client) createExperiment(name string) (string, error) {
	var a struct {
		ID string `json:"experiment_id"`
	}
	err := c.call("experiments/create", map[string]string{"name": name}, &a)
	return a.ID, err
}

func (c *client) createRun(experiment, name string, start int64, tags []wirePair) (string, error) {
	var a struct{ Run wireRun }
	err := c.call("runs/create", map[string]any{"experiment_id": experiment, "run_name": name, "start_time": start, "user_id": "load", "tags": tags}, &a)
	return a.Run.Info.ID, err
}

// search returns the answer to a question, as it came.
func (c *client) search(q question, experiments []string) ([]byte, error) {
	return c.searchAfter(q, experiments, "")
}

func (c *client) searchAfter(q question, experiments []string, token string) ([]byte, error) {
	message := map[string]any{"experiment_ids": experiments, "filter": q.filter(), "order_by": q.orderBy(), "max_results": q.limit}
	if token != "" {
		message["page_token"] = token
	}
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	return c.post("runs/search", body)
}

// history asks for all of a metric's points, and calls fn with each page.
func (c *client) history(run, key string, fn func(page []byte) error) error {
	path := api + "metrics/get-history?run_id=" + run + "&metric_key=" + url.QueryEscape(key)
	for token := ""; ; {
		at := path
		if token != "" {
			at += "&page_token=" + url.QueryEscape(token)
		}
		page, err := c.get(at)
		if err != nil {
			return err
		}
		if token, err = nextToken(page); err != nil {
			return err
		}
		if err := fn(page); err != nil || token == "" {
			return err
		}
	}
}

// nextToken finds the token of the next page without decoding the points: it
// stands before or behind them.
func nextToken(page []byte) (string, error) {
	const name = `"next_page_token"`
	at := bytes.LastIndex(page[max(0, len(page)-1000):], []byte(name))
	if at >= 0 {
		at += max(0, len(page)-1000)
	} else if at = bytes.Index(page[:min(len(page), 1000)], []byte(name)); at < 0 {
		return "", nil
	}
	var token string
	rest := bytes.TrimLeft(page[at+len(name):], ": \n")
	err := json.NewDecoder(bytes.NewReader(rest)).Decode(&token)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}

// points returns all of a metric's points.
func (c *client) points(run, key string) (points []wirePoint, err error) {
	err = c.history(run, key, func(page []byte) error {
		var p wirePage
		if err := json.Unmarshal(page, &p); err != nil {
			return err
		}
		points = append(points, p.Metrics...)
		return nil
	})
	return points, err
}
